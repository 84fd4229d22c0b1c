"""The models of LLM_MODEL and LLM_FALLBACK_MODELS (rule 4.1), one response at a time. The loop of a turn is in `chat`.

pydantic-ai and the provider's SDK take more than a second to import. `open` starts the import in a thread, and the
first response awaits it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from ...model_settings import OFFLINE_MODEL
from ..interfaces import ConversationItem, ModelError, ModelReply, ServiceUnavailable, ToolDefinition, Usage

if TYPE_CHECKING:
    from ...config import Settings
    from ...model_settings import ModelEndpoint
    from .model_client import ModelClient


class PydanticAILanguageModel:
    """`offline`, or models of the providers in MODEL_PROVIDERS."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loading: asyncio.Task[list[ModelClient]] | None = None

    async def open(self) -> None:
        self._load()

    async def close(self) -> None:
        if self._loading is not None:
            loading, self._loading = self._loading, None
            with suppress(ModelError):  # `ping` and `respond` have raised it
                for client in await loading:
                    await client.close()

    async def ping(self) -> None:
        """Check that each model is configured, without a request, which would cost money."""
        try:
            await self._clients()
        except ModelError as error:
            raise ServiceUnavailable("language_model") from error

    async def respond(
        self,
        instructions: str,
        conversation: Sequence[ConversationItem],
        tools: Sequence[ToolDefinition],
        on_text: Callable[[str], Awaitable[None]],
        on_cancelled: Callable[[Usage], None] | None = None,
        on_discard: Callable[[], Awaitable[None]] | None = None,
        model: int = 0,
        output_schema: dict[str, Any] | None = None,
    ) -> ModelReply:
        cancelled: list[Usage] = []
        client = (await self._clients())[model]
        # One timeout for all attempts and pieces: pydantic-ai's own adds a cancel scope for each piece.
        clock = asyncio.timeout(self._settings.LLM_TIMEOUT_SECONDS)
        try:
            stream = client.stream(instructions, conversation, tools, cancelled.append, output_schema)
            async with clock, aclosing(stream) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ModelReply):
                        reply = piece
                    elif isinstance(piece, str):
                        await on_text(piece)
                    elif on_discard is not None:
                        await on_discard()
        except TimeoutError:
            if not clock.expired():
                raise
            detail = f"the model took longer than {self._settings.LLM_TIMEOUT_SECONDS:g} seconds"
            raise ModelError("timeout", detail, used=cancelled[0] if cancelled else None) from None
        except asyncio.CancelledError:
            if on_cancelled is not None and cancelled:
                on_cancelled(cancelled[0])
            raise
        return reply

    async def _clients(self) -> list[ModelClient]:
        # Shared by all callers, so cancelling one must not cancel it.
        return await asyncio.shield(self._load())

    def _load(self) -> asyncio.Task[list[ModelClient]]:
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_build, self._settings))
        return self._loading


def _build(settings: Settings) -> list[ModelClient]:
    return [_client(endpoint, settings) for endpoint in settings.models]


def _client(endpoint: ModelEndpoint, settings: Settings) -> ModelClient:
    try:
        from .model_client import ModelClient

        if endpoint.name == OFFLINE_MODEL:
            from .offline_model import build_offline_model

            return ModelClient(build_offline_model(), endpoint, settings)
        from .model_provider import build_model

        return ModelClient(build_model(endpoint, settings.LLM_MAX_RETRIES), endpoint, settings)
    except Exception as error:
        problem = f"cannot be used: {error}"
        if isinstance(error, ImportError) and error.name is not None:  # else an optional part of an installed package
            problem = f"needs a package that is not installed: uv add 'pydantic-ai-slim[{error.name}]'"
        raise ModelError("rejected", f"{endpoint.setting}={endpoint.name} {problem}") from error
