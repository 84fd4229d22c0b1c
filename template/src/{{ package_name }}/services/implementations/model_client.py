"""Streamed requests to the model, and the HTTP client of the provider's SDK. Imported late: see `language_model`."""

from __future__ import annotations

import asyncio
import json
import re
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx2
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
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse, create_async_httpx2_client
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition as FunctionTool

from ..interfaces import ConversationItem, ModelError, ModelReply, ToolDefinition, Usage
from .model_messages import finish_reason_of, to_messages, to_reply
from .model_text import Answer, Discarded, starts_in_reasoning

if TYPE_CHECKING:
    from ...config import Settings
    from ...model_settings import ModelEndpoint

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN = 4  # approximately
LONGEST_RETRY_WAIT_SECONDS = 5.0
AS_JSON = "Answer with one JSON object that fits the following JSON Schema, without Markdown or any other text:"

Events = list[dict[str, Any]]

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,60}")


class ModelClient:
    """One imported model."""

    def __init__(self, model: Model[Any], endpoint: ModelEndpoint, settings: Settings) -> None:
        self._model = model
        # Compatible services may run a model that writes its reasoning into the text.
        self._has_tags = endpoint.base_url is not None
        self._withholds = self._has_tags and starts_in_reasoning(endpoint.name)
        self._tools: Sequence[ToolDefinition] = ()
        self._parameters = ModelRequestParameters()  # for these tools
        self._request: ModelSettings = {"max_tokens": settings.LLM_MAX_OUTPUT_TOKENS}
        if settings.LLM_TEMPERATURE is not None:
            self._request["temperature"] = settings.LLM_TEMPERATURE

    async def close(self) -> None:
        if (client := getattr(self._model, "client", None)) is not None:  # the offline model has none
            await client.close()

    async def stream(
        self,
        instructions: str,
        conversation: Sequence[ConversationItem],
        tools: Sequence[ToolDefinition],
        on_cancelled: Callable[[Usage], None],
        output_schema: dict[str, Any] | None = None,
    ) -> AsyncGenerator[str | Discarded | ModelReply, None]:
        """Yield the text in pieces, then the complete reply. Raises `ModelError`."""
        parameters = self._parameters_for(tools)
        if output_schema is not None:
            parameters, instructions = self._with_output(parameters, instructions, output_schema)
        messages = to_messages(instructions, conversation)
        answer = Answer(tags=self._has_tags, withhold=self._withholds)
        begun = False
        stream: StreamedResponse | None = None
        started = time.perf_counter()
        try:
            async with model_request_stream(
                self._model,
                messages,
                model_settings=self._request,
                model_request_parameters=parameters,
            ) as stream:
                async for event in stream:
                    if isinstance(event, PartStartEvent) and isinstance(event.part, ThinkingPart):
                        answer.stop_withholding()
                    text = _text_in(event, begun=begun)
                    begun = begun or bool(text)
                    for piece in answer.add(text):
                        yield piece
                for piece in answer.add("", last=True):
                    yield piece
            response = stream.get()
            self._withholds = answer.lacks_opening_tag
            _reject_incomplete(response, answer.text.strip())
            used = self._used(stream, messages)
            seconds = stream.time_to_first_chunk(started)
            reply = to_reply(response, answer.text, used, seconds, has_tags=self._has_tags)
        except (asyncio.CancelledError, GeneratorExit):  # the latter if cancelled while the caller handles a piece
            if stream is not None:
                on_cancelled(self._used(stream, messages))
            raise
        except Exception as error:  # noqa: BLE001 - the SDK may raise anything for an invalid response
            failure = _model_error(error, opened=stream is not None)
            failure.used = self._used(stream, messages)
            raise failure from None
        yield reply

    def _parameters_for(self, tools: Sequence[ToolDefinition]) -> ModelRequestParameters:
        if tools is not self._tools:  # they rarely change
            functions = [
                FunctionTool(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters)
                for tool in tools
            ]
            self._tools, self._parameters = tools, ModelRequestParameters(function_tools=functions)
        return self._parameters

    def _with_output(
        self, parameters: ModelRequestParameters, instructions: str, schema: dict[str, Any]
    ) -> tuple[ModelRequestParameters, str]:
        """Give the schema to the provider if it can use it, else to the model, with the instructions.

        Providers close an object without properties, so that only an empty one fits.
        """
        output = OutputObjectDefinition(schema, description=schema.get("description"))
        native = replace(parameters, output_mode="native", output_object=output)
        if schema.get("properties") and self._model.profile.get("supports_json_schema_output"):
            with suppress(failures.UserError):  # the schema exceeds a limit of the provider
                self._model.prepare_request(self._request, native)
                return native, instructions
        # In this mode, only the offline model uses `output_object`.
        return replace(native, output_mode="text"), f"{instructions.rstrip()}\n\n{AS_JSON}\n{json.dumps(schema)}"

    def _used(self, stream: StreamedResponse | None, messages: list[ModelMessage]) -> Usage:
        """The reported tokens, and an estimate of unreported ones. Rejected and cancelled responses are billed too."""
        if stream is None:
            return Usage()
        response, reported = stream.get(), stream.usage
        used = replace(
            reported, input_tokens=reported.input_tokens or _tokens(ModelMessagesTypeAdapter.dump_json(messages))
        )
        if response.state != "complete" or not reported.output_tokens:
            used.output_tokens = max(reported.output_tokens, _tokens_of(response))
        cost = self._cost(replace(response, usage=used))
        return Usage(used.input_tokens, used.output_tokens, cost, estimated=used != reported)

    def _cost(self, response: ModelResponse) -> float | None:
        """Cost in US dollars by the list prices of genai-prices; `None` for models without a price."""
        try:
            return float(response.cost().total_price)
        except (LookupError, ValueError, AssertionError):  # AssertionError: the response does not name its model
            return None


def _text_in(event: ModelResponseStreamEvent, *, begun: bool) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        # A reply may have several texts, separated by reasoning or calls.
        return f"\n\n{event.part.content}" if begun and event.part.content else event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


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


def _model_error(error: Exception, *, opened: bool) -> ModelError:
    """The error without the provider's message, which may quote the conversation or the key."""
    if isinstance(error, ModelError):
        return error
    if not isinstance(error, failures.AgentRunError):
        frames = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote contents
        log.error("model_response_unreadable", error=type(error).__name__, traceback=frames)
        return ModelError("invalid_response", f"the response cannot be read ({type(error).__name__})")
    kind, detail = next((kind, detail) for matching, kind, detail in _KINDS if isinstance(error, matching))
    words: list[str] = []  # the status and error code, which are safe to repeat
    if isinstance(error, failures.ModelHTTPError):
        words.append(f"HTTP {error.status_code}")
        if error.status_code == HTTPStatus.REQUEST_TIMEOUT:
            kind, detail = "timeout", "the provider did not answer in time"
    elif opened and kind == "unavailable" and isinstance(error, failures.ModelConnectionError):
        kind, detail = "invalid_response", "the connection broke before the response was complete"
    if not isinstance(error, failures.ModelAPIError):
        return ModelError(kind, detail)
    codes = (error.provider_error_code, error.provider_error_type)
    words += [code for code in codes if code and _CODE.fullmatch(code)][:1]
    return ModelError(kind, f"{detail} ({', '.join(words)})" if words else detail, error.retry_after)


def http_client(as_events: Callable[[dict[str, Any]], Events]) -> httpx2.AsyncClient:
    """A client whose connection attempts time out after five seconds; LLM_TIMEOUT_SECONDS bounds the rest.

    `as_events` converts a whole response into the equivalent events of a stream.
    """
    client = create_async_httpx2_client()
    client.event_hooks["response"] += [_refuse_long_wait, partial(_stream_json, as_events=as_events)]
    return client


async def _stream_json(response: httpx2.Response, as_events: Callable[[dict[str, Any]], Events]) -> None:
    """Convert the JSON of a service that does not stream into the requested stream."""
    if not response.is_success or not response.headers.get("content-type", "").startswith("application/json"):
        return
    sent = response.stream
    assert isinstance(sent, httpx2.AsyncByteStream)  # noqa: S101 - the client is asynchronous
    body = b"".join([part async for part in sent])
    await sent.aclose()
    whole = httpx2.Response(response.status_code, headers=response.headers, content=body)
    response.stream = httpx2.ByteStream("".join(map(_frame, as_events(whole.json()))).encode())
    response.headers = httpx2.Headers({"content-type": "text/event-stream"})


def _frame(event: dict[str, Any]) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


async def _refuse_long_wait(response: httpx2.Response) -> None:
    """Stop the SDK from retrying after a long wait: clients can wait for Retry-After without an open request."""
    headers = response.headers
    precise = _seconds(headers.get("retry-after-ms", "")) / 1000  # not standard, but preferred by the SDKs
    if max(precise, _seconds(headers.get("retry-after", ""))) > LONGEST_RETRY_WAIT_SECONDS:
        headers["x-should-retry"] = "false"


def _seconds(value: str) -> float:
    """Seconds from either form of Retry-After (RFC 9110, section 10.2.3); 0 if missing or invalid."""
    with suppress(ValueError):
        return float(value)
    with suppress(ValueError):
        return parsedate_to_datetime(value).timestamp() - time.time()
    return 0.0
