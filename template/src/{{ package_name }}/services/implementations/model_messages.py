"""Conversations, as the rest of the code knows them, to and from the messages of pydantic-ai."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pydantic import TypeAdapter
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.tools import ToolDefinition as FunctionTool

from ..interfaces import ConversationItem, ModelReply, ToolCall, ToolDefinition, ToolResult, Usage, UserMessage
from .finish_reasons import finish_reason_of
from .sanitize import sanitize

_RESPONSE = TypeAdapter(ModelResponse)
_INTERRUPTED = "The call was interrupted; its outcome is not known."


def to_messages(instructions: str, conversation: Sequence[ConversationItem]) -> list[ModelMessage]:
    """The whole conversation, ending in the request to answer.

    All between two replies becomes one request. A call that never got a result, its turn having been cancelled, gets
    one that says so: providers refuse a conversation with a call left open.
    """
    messages: list[ModelMessage] = []
    parts: list[ModelRequestPart] = []
    unanswered: dict[str, ToolCall] = {}
    for item in conversation:
        if isinstance(item, ToolResult):
            unanswered.pop(item.call.id, None)
            outcome = item.outcome
            parts.append(
                ToolReturnPart(
                    item.call.name, outcome.content, item.call.id, outcome="failed" if outcome.failed else "success"
                )
            )
            continue
        parts += [
            ToolReturnPart(call.name, _INTERRUPTED, call.id, outcome="interrupted") for call in unanswered.values()
        ]
        unanswered = {}
        if isinstance(item, UserMessage):
            parts.append(UserPromptPart(item.text))
            continue
        if parts:
            messages.append(ModelRequest(parts))
            parts = []
        response = _RESPONSE.validate_python(item.payload)
        if said := [part for part in response.parts if not _is_blank(part)]:
            messages.append(replace(response, parts=said))
        unanswered = {call.id: call for call in item.tool_calls}
    messages.append(ModelRequest(parts, instructions=instructions))
    return messages


def _is_blank(part: ModelResponsePart) -> bool:
    """A text that says nothing: a provider may write one before a call, and refuse a message with no other text."""
    return isinstance(part, TextPart) and not part.content.strip()


def to_reply(response: ModelResponse, text: str, used: Usage, *, first_token_seconds: float | None) -> ModelReply:
    """The response as the rest of the code sees it; arguments that are not JSON are left for the toolbox to refuse."""
    readable = replace(response, parts=[_readable(part) for part in response.parts])
    payload = sanitize(_RESPONSE.dump_python(readable, mode="json", exclude_none=True))
    return ModelReply(
        text=text,
        tool_calls=tuple(
            ToolCall(sanitize(call.tool_call_id), sanitize(call.tool_name), sanitize(call.args_as_dict()))
            for call in readable.tool_calls
        ),
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        model=sanitize(response.model_name or ""),
        payload=payload,
        cost_usd=used.cost_usd,
        first_token_seconds=first_token_seconds,
        finish_reason=finish_reason_of(response) or "stop",
        estimated=used.estimated,
    )


def _readable(part: ModelResponsePart) -> ModelResponsePart:
    """A call whose arguments pydantic-ai can read, and everybody can send.

    Its parser takes JSON that escapes half of a character for none, and reads a number that is too large as infinity.
    """
    if isinstance(part, ToolCallPart) and isinstance(part.args, str):
        arguments = sanitize(part.args)
        with suppress(ValueError, RecursionError):
            told = json.loads(arguments)
            if (kept := sanitize(told)) != told:
                arguments = json.dumps(kept)
        return replace(part, args=arguments)
    return part


def to_function_tools(tools: Sequence[ToolDefinition]) -> list[FunctionTool]:
    return [
        FunctionTool(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters)
        for tool in tools
    ]
