"""Conversations, as the rest of the code knows them, to and from the messages of pydantic-ai."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.tools import ToolDefinition as FunctionTool

from ..interfaces import ConversationItem, ModelReply, ToolCall, ToolDefinition, ToolResult, UserMessage

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
        messages.append(_RESPONSE.validate_python(item.payload))
        unanswered = {call.id: call for call in item.tool_calls}
    messages.append(ModelRequest(parts, instructions=instructions))
    return messages


def to_reply(
    response: ModelResponse, text: str, *, cost_usd: float | None, first_token_seconds: float | None
) -> ModelReply:
    """The response as the rest of the code sees it; arguments that are not JSON are left for the toolbox to refuse."""
    return ModelReply(
        text=text,
        tool_calls=tuple(
            ToolCall(call.tool_call_id, call.tool_name, _storable(call.args_as_dict())) for call in response.tool_calls
        ),
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        model=response.model_name or "",
        payload=_storable(_RESPONSE.dump_python(response, mode="json", exclude_none=True)),
        cost_usd=cost_usd,
        first_token_seconds=first_token_seconds,
    )


def _storable(value: Any) -> Any:
    """Without the NUL characters that a model may well write, and PostgreSQL cannot store."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {key: _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def to_function_tools(tools: Sequence[ToolDefinition]) -> list[FunctionTool]:
    return [
        FunctionTool(name=tool.name, description=tool.description, parameters_json_schema=tool.parameters)
        for tool in tools
    ]
