"""Requests a response of a turn from LLM_MODEL or, while that fails, from one of LLM_FALLBACK_MODELS (rule 4.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import structlog

from ..observability.instrumentation import ModelOperation
from ..observability.metrics import LLM_FALLBACKS
from ..services.interfaces import ConversationItem, ModelError, ModelReply, Usage

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer

log = structlog.get_logger()

PASSES_ON = frozenset({"rate_limited", "timeout", "unavailable"})  # kinds of failures that another model may not share


class Models:
    """The models of one turn, which stays with the one that answered, so that it waits for a slow model once.

    `billed` is the usage of requests that ended without a reply, since the last reply.
    """

    def __init__(self, settings: Settings, services: ServiceContainer) -> None:
        self._names = [endpoint.name for endpoint in settings.models]
        self._services = services
        self._current = 0
        self.billed = Usage()

    async def respond(
        self,
        instructions: str,
        conversation: Sequence[ConversationItem],
        on_text: Callable[[str], Awaitable[None]],
        on_discard: Callable[[], Awaitable[None]],
        output_schema: dict[str, Any] | None = None,
    ) -> ModelReply:
        """The reply of the first model that answers; its usage includes that of the failed requests before it.

        No other model is asked once a part of the text was shown: with an `output_schema`, none is, since the answer
        has to be checked first. Raises the first `ModelError` or, after a part of the text was shown, the last, with
        the usage of all requests.
        """
        shown: list[bool] = []

        async def show(text: str) -> None:
            if output_schema is None:
                shown.append(True)
                await on_text(text)

        first: ModelError | None = None
        places = [*range(self._current, len(self._names)), *range(self._current)]
        for place, following in zip(places, [*places[1:], None], strict=True):
            try:
                reply = await self._request(place, instructions, conversation, show, on_discard, output_schema)
            except ModelError as error:
                self.billed += error.used
                first = first or error
                if shown or following is None or error.kind not in PASSES_ON:
                    failed = error if shown else first
                    failed.used, self.billed = self.billed, Usage()
                    raise failed from None
                log.warning(
                    "model_replaced", kind=error.kind, model=self._names[place], next_model=self._names[following]
                )
                LLM_FALLBACKS.labels(self._names[following]).inc()
            else:
                self._current = place
                used, self.billed = reply.used + self.billed, Usage()
                return replace(reply, **asdict(used))
        raise AssertionError  # the last model has no following one

    async def _request(
        self,
        place: int,
        instructions: str,
        conversation: Sequence[ConversationItem],
        on_text: Callable[[str], Awaitable[None]],
        on_discard: Callable[[], Awaitable[None]],
        schema: dict[str, Any] | None,
    ) -> ModelReply:
        tools = self._services.toolbox.definitions
        with ModelOperation(
            model=self._names[place], instructions=instructions, conversation=conversation, tools=tools
        ) as request:
            try:
                request.reply = await self._services.language_model.respond(
                    instructions, conversation, tools, on_text, request.record_cancelled, on_discard, place, schema
                )
            except asyncio.CancelledError:
                self.billed += request.cancelled or Usage()
                raise
        return request.reply
