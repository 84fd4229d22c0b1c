"""One streamed request to the model, through `pydantic_ai.direct`. Imported late: see `language_model`."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pydantic_ai import exceptions as failures
from pydantic_ai.direct import model_request_stream
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings

from ..interfaces import ConversationItem, ModelError, ModelReply, ModelUse, ToolDefinition
from .model_messages import to_function_tools, to_messages, to_reply
from .storable import StorablePieces

if TYPE_CHECKING:
    from ...config import Settings

log = structlog.get_logger(__name__)

BYTES_OF_TOKEN = 4  # by rule of thumb

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")


class _Closable(Protocol):
    async def close(self) -> None: ...


class ModelClient:
    """The model that LLM_MODEL names, ready to be asked."""

    def __init__(self, model: Model[Any], connection: _Closable | None, settings: Settings) -> None:
        self._model = model
        self._connection = connection
        self._request: ModelSettings = {"max_tokens": settings.LLM_MAX_OUTPUT_TOKENS}
        if settings.LLM_TEMPERATURE is not None:
            self._request["temperature"] = settings.LLM_TEMPERATURE

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def stream(
        self,
        instructions: str,
        conversation: Sequence[ConversationItem],
        tools: Sequence[ToolDefinition],
        on_given_up: Callable[[ModelUse], None],
    ) -> AsyncGenerator[str | ModelReply, None]:
        """The text, piece by piece, and in the end the whole reply. Raises `ModelError`."""
        messages = to_messages(instructions, conversation)
        text: list[str] = []
        pieces = StorablePieces()
        stream: StreamedResponse | None = None
        asked = time.perf_counter()
        first_token_seconds: float | None = None
        try:
            async with model_request_stream(
                self._model,
                messages,
                model_settings=self._request,
                model_request_parameters=ModelRequestParameters(function_tools=to_function_tools(tools)),
            ) as stream:
                async for event in stream:
                    if first_token_seconds is None:
                        first_token_seconds = time.perf_counter() - asked
                    if piece := pieces.add(_text_in(event, begun=bool(text))):
                        text.append(piece)
                        yield piece
                if piece := pieces.end():
                    text.append(piece)
                    yield piece
                response = stream.get()
            _refuse_incomplete(response, "".join(text).strip())
            cost = self._cost(response)
            reply = to_reply(response, "".join(text), cost_usd=cost, first_token_seconds=first_token_seconds)
        except asyncio.CancelledError:
            if stream is not None:
                on_given_up(self._used_by_now(stream, messages, "".join(text)))
            raise
        except ModelError as error:
            error.used = self._used(stream)
            raise
        except failures.AgentRunError as error:
            # Without its cause: what a provider says about a request may quote the conversation, or the key.
            raise _model_error(error, opened=stream is not None, used=self._used(stream)) from None
        except Exception as error:  # noqa: BLE001 - the SDK makes anything of a response that is none
            frames = "".join(traceback.format_tb(error.__traceback__))  # not its message, which may quote contents
            log.error("model_response_unreadable", error=type(error).__name__, traceback=frames)
            detail = f"the response cannot be read ({type(error).__name__})"
            raise ModelError("invalid_response", detail, used=self._used(stream)) from None
        yield reply

    def _used(self, stream: StreamedResponse | None) -> ModelUse:
        """What the provider has told so far: a response that is refused was made, and is paid for."""
        if stream is None:
            return ModelUse()
        return ModelUse(stream.usage.input_tokens, stream.usage.output_tokens, self._cost(stream.get()))

    def _used_by_now(self, stream: StreamedResponse, messages: list[ModelMessage], text: str) -> ModelUse:
        """Most providers tell it at the end of a response only: what they have not told is estimated."""
        told = stream.usage
        asked = len(ModelMessagesTypeAdapter.dump_json(messages)) // BYTES_OF_TOKEN
        written = len(text.encode()) // BYTES_OF_TOKEN
        used = replace(told, input_tokens=told.input_tokens or asked, output_tokens=max(told.output_tokens, written))
        return ModelUse(used.input_tokens, used.output_tokens, self._cost(replace(stream.get(), usage=used)))

    def _cost(self, response: ModelResponse) -> float | None:
        """In US dollars, by the list prices that genai-prices knows; `None` for a model that it does not know."""
        if self._connection is None:
            return None
        try:
            return float(response.cost().total_price)
        except (LookupError, ValueError, AssertionError):  # the last where the response does not name its model
            return None


def _text_in(event: ModelResponseStreamEvent, *, begun: bool) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        # A reply may have several texts, with thinking or calls between them.
        return f"\n\n{event.part.content}" if begun and event.part.content else event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _refuse_incomplete(response: ModelResponse, text: str) -> None:
    if response.finish_reason == "content_filter":
        raise ModelError("rejected", "the provider's content filter stopped the response")
    if response.finish_reason == "length" and (response.tool_calls or not text):
        raise ModelError("invalid_response", "the response was cut short by LLM_MAX_OUTPUT_TOKENS")
    # Every provider names why it finished; a stream that ends without a reason has lost its end.
    if response.state != "complete" or (response.provider_name and response.finish_reason is None):
        raise ModelError("invalid_response", "the response ended before it was complete")
    if not text and not response.tool_calls:
        raise ModelError("invalid_response", "the response is empty")


# The first that fits tells the kind, and what happened.
_KINDS: tuple[tuple[type[failures.AgentRunError], str, str], ...] = (
    (failures.ModelRateLimitError, "rate_limited", "the provider asks to slow down"),
    (failures.ModelQuotaExceededError, "rejected", "the quota or credit at the provider is used up"),
    (failures.ModelTimeoutError, "timeout", "the provider did not answer in time"),
    (failures.ModelConnectionError, "unavailable", "the provider cannot be reached"),
    (failures.ModelUnavailableError, "unavailable", "the provider is overloaded or down"),
    (failures.ModelServerError, "unavailable", "the provider failed"),
    (failures.ModelAuthenticationError, "rejected", "the provider refused the credentials: check LLM_API_KEY"),
    (failures.ModelNotFoundError, "rejected", "the provider has no such model: check LLM_MODEL and LLM_BASE_URL"),
    (failures.ModelContextWindowExceededError, "rejected", "the conversation is longer than the model can read"),
    (failures.ModelRequestRejectedError, "rejected", "the provider refused the request"),
    (failures.ModelHTTPError, "rejected", "the provider refused the request"),
    (failures.AgentRunError, "invalid_response", "the response of the provider makes no sense"),
)


def _model_error(error: failures.AgentRunError, *, opened: bool, used: ModelUse) -> ModelError:
    kind, detail = next((kind, detail) for fits, kind, detail in _KINDS if isinstance(error, fits))
    if isinstance(error, failures.ModelHTTPError) and error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        kind, detail = "timeout", "the provider did not answer in time"
    elif opened and kind == "unavailable" and isinstance(error, failures.ModelConnectionError):
        kind, detail = "invalid_response", "the connection broke before the response was complete"
    retry_after = error.retry_after if isinstance(error, failures.ModelAPIError) else None
    return ModelError(kind, detail + _told(error), retry_after, used=used)


def _told(error: failures.AgentRunError) -> str:
    """What may be repeated of the provider's own words: the status and its code, but never its message."""
    words = [f"HTTP {error.status_code}"] if isinstance(error, failures.ModelHTTPError) else []
    if isinstance(error, failures.ModelAPIError):
        codes = (error.provider_error_code, error.provider_error_type)
        words += [code for code in codes if code and _CODE.fullmatch(code)][:1]
    return f" ({', '.join(words)})" if words else ""
