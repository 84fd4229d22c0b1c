"""One streamed request to the model, through `pydantic_ai.direct`. Imported lazily: see `language_model`."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
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
    ThinkingPart,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.settings import ModelSettings

from ..interfaces import ConversationItem, ModelError, ModelReply, ToolDefinition, Usage
from .model_messages import finish_reason_of, to_function_tools, to_messages, to_reply
from .reasoning import ReasoningFilter, starts_in_reasoning, without_reasoning
from .sanitize import StreamSanitizer

if TYPE_CHECKING:
    from ...config import Settings

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN = 4  # approximately

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")


class _Closable(Protocol):
    async def close(self) -> None: ...


class Discarded:
    """The text so far was reasoning; the answer follows."""


class ModelClient:
    """The imported model of LLM_MODEL."""

    def __init__(self, model: Model[Any], connection: _Closable | None, settings: Settings) -> None:
        self._model = model
        self._connection = connection
        # Compatible services may run a model that writes its reasoning into the text.
        self._has_tags = settings.LLM_BASE_URL is not None
        self._withholds = self._has_tags and starts_in_reasoning(settings.LLM_MODEL)
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
        on_cancelled: Callable[[Usage], None],
    ) -> AsyncGenerator[str | Discarded | ModelReply, None]:
        """Yield the text in pieces, then the complete reply. Raises `ModelError`."""
        messages = to_messages(instructions, conversation)
        answer = _Answer(ReasoningFilter(tags=self._has_tags, withhold=self._withholds))
        stream: StreamedResponse | None = None
        started = time.perf_counter()
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
                        first_token_seconds = time.perf_counter() - started
                    for piece in answer.add(event):
                        yield piece
                for piece in answer.end():
                    yield piece
            response = stream.get()
            self._withholds = answer.lacks_opening_tag
            _reject_incomplete(response, answer.text.strip())
            reply = to_reply(
                without_reasoning(response) if self._has_tags else response,
                answer.text,
                self._used(stream, messages),
                first_token_seconds=first_token_seconds,
            )
        except asyncio.CancelledError:
            if stream is not None:
                on_cancelled(self._used(stream, messages))
            raise
        except ModelError as error:
            error.used = self._used(stream, messages)
            raise
        except failures.AgentRunError as error:
            # Without its cause: the provider's message may quote the conversation or the key.
            raise _model_error(error, opened=stream is not None, used=self._used(stream, messages)) from None
        except Exception as error:  # noqa: BLE001 - the SDK may raise anything for an invalid response
            frames = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote contents
            log.error("model_response_unreadable", error=type(error).__name__, traceback=frames)
            detail = f"the response cannot be read ({type(error).__name__})"
            raise ModelError("invalid_response", detail, used=self._used(stream, messages)) from None
        yield reply

    def _used(self, stream: StreamedResponse | None, messages: list[ModelMessage]) -> Usage:
        """The reported tokens, and an estimate of unreported ones. Rejected and cancelled responses are billed too."""
        if stream is None:
            return Usage()
        response, used = stream.get(), stream.usage
        estimate = replace(
            used, input_tokens=used.input_tokens or _tokens(ModelMessagesTypeAdapter.dump_json(messages))
        )
        if response.state != "complete" or not used.output_tokens:
            estimate.output_tokens = max(used.output_tokens, _tokens_of(response))
        estimated = (estimate.input_tokens, estimate.output_tokens) != (used.input_tokens, used.output_tokens)
        cost = self._cost(replace(response, usage=estimate))
        return Usage(estimate.input_tokens, estimate.output_tokens, cost, estimated)

    def _cost(self, response: ModelResponse) -> float | None:
        """Cost in US dollars by the list prices of genai-prices; `None` for models without a price."""
        if self._connection is None:
            return None
        try:
            return float(response.cost().total_price)
        except (LookupError, ValueError, AssertionError):  # AssertionError: the response does not name its model
            return None


def _text_in(event: ModelResponseStreamEvent, *, started: bool) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        # A reply may have several texts, separated by reasoning or calls.
        return f"\n\n{event.part.content}" if started and event.part.content else event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


class _Answer:
    """The text of a streamed response, sanitized and without reasoning."""

    def __init__(self, reasoning: ReasoningFilter) -> None:
        self._reasoning = reasoning
        self._sanitizer = StreamSanitizer()
        self._started = False
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def lacks_opening_tag(self) -> bool:
        return self._reasoning.lacks_opening_tag

    def add(self, event: ModelResponseStreamEvent) -> Iterator[str | Discarded]:
        if isinstance(event, PartStartEvent) and isinstance(event.part, ThinkingPart):
            self._reasoning.stop_withholding()
        piece = self._sanitizer.add(_text_in(event, started=self._started))
        self._started = self._started or bool(piece)
        discards, piece = self._reasoning.add(piece)
        if discards:
            self._pieces.clear()
            yield Discarded()
        yield from self._keep(piece)

    def end(self) -> Iterator[str | Discarded]:
        discards, piece = self._reasoning.add(self._sanitizer.end())
        if discards:
            self._pieces.clear()
            yield Discarded()
        yield from self._keep(piece + self._reasoning.end())

    def _keep(self, piece: str) -> Iterator[str]:
        if piece:
            self._pieces.append(piece)
            yield piece


def _tokens(text: bytes) -> int:
    return max(1, len(text) // BYTES_PER_TOKEN)


def _tokens_of(response: ModelResponse) -> int:
    """Approximate number of tokens that the model wrote."""
    parts = [
        part.args_as_json_str() if isinstance(part, ToolCallPart) else str(getattr(part, "content", ""))
        for part in response.parts
    ]
    return _tokens("".join(parts).encode(errors="replace")) if parts else 0


def _reject_incomplete(response: ModelResponse, text: str) -> None:
    reason = finish_reason_of(response)
    if reason == "content_filter":
        raise ModelError("rejected", "the provider's content filter stopped the response")
    if reason == "length" and (response.tool_calls or not text):
        raise ModelError("invalid_response", "the response was truncated by LLM_MAX_OUTPUT_TOKENS")
    if reason == "error":
        raise ModelError("invalid_response", "the provider stopped the response with an error")
    # Every provider sends a finish reason, so a stream without one is truncated.
    if response.state != "complete" or (response.provider_name and reason is None):
        raise ModelError("invalid_response", "the response ended before it was complete")
    if not text and not response.tool_calls:
        raise ModelError("invalid_response", "the response is empty")


# The first matching class determines kind and detail.
_KINDS: tuple[tuple[type[failures.AgentRunError], str, str], ...] = (
    (failures.ModelRateLimitError, "rate_limited", "the provider limits the rate of requests"),
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
    (failures.AgentRunError, "invalid_response", "the response of the provider is invalid"),
)


def _model_error(error: failures.AgentRunError, *, opened: bool, used: Usage) -> ModelError:
    kind, detail = next((kind, detail) for matching, kind, detail in _KINDS if isinstance(error, matching))
    if isinstance(error, failures.ModelHTTPError) and error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        kind, detail = "timeout", "the provider did not answer in time"
    elif opened and kind == "unavailable" and isinstance(error, failures.ModelConnectionError):
        kind, detail = "invalid_response", "the connection broke before the response was complete"
    retry_after = error.retry_after if isinstance(error, failures.ModelAPIError) else None
    return ModelError(kind, detail + _code(error), retry_after, used=used)


def _code(error: failures.AgentRunError) -> str:
    """The status and error code, which are safe to repeat, unlike the provider's message."""
    words = [f"HTTP {error.status_code}"] if isinstance(error, failures.ModelHTTPError) else []
    if isinstance(error, failures.ModelAPIError):
        codes = (error.provider_error_code, error.provider_error_type)
        words += [code for code in codes if code and _CODE.fullmatch(code)][:1]
    return f" ({', '.join(words)})" if words else ""
