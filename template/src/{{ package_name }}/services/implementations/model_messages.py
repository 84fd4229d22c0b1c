"""Converts conversations to and from the messages of pydantic-ai."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Literal

from pydantic import TypeAdapter
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
    repair_messages,
)

from ..interfaces import ConversationItem, ModelReply, ToolCall, ToolResult, Usage, UserMessage
from .model_text import answer_in, sanitize

# Finish reasons of services that pydantic-ai does not translate.
_FINISH_REASONS = {
    "length": "length max_length max_output_tokens max_tokens model_length model_context_window_exceeded",
    "content_filter": "blocklist content_filter content_filtered guardrail_intervened prohibited_content recitation"
    " refusal safety sensitive spii",
    "error": "abort aborted cancelled error failed insufficient_system_resource malformed_function_call network_error",
}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_RESPONSE = TypeAdapter(ModelResponse)
_INTERRUPTED = "The call was interrupted; its outcome is unknown."


def to_messages(instructions: str, conversation: Sequence[ConversationItem]) -> list[ModelMessage]:
    """The whole conversation, ending with the request to answer. All items between two replies become one request.

    Calls without a result, from cancelled turns, get one, since providers reject conversations with open calls.
    """
    messages: list[ModelMessage] = []
    for item in conversation:
        if isinstance(item, UserMessage):
            messages.append(ModelRequest([UserPromptPart(item.text)]))
        elif isinstance(item, ToolResult):
            outcome: Literal["failed", "success"] = "failed" if item.outcome.failed else "success"
            result = ToolReturnPart(item.call.name, item.outcome.content, item.call.id, outcome=outcome)
            messages.append(ModelRequest([result]))
        else:
            response = _RESPONSE.validate_python(item.payload)
            if filled := [part for part in response.parts if not _is_blank(part)]:
                messages.append(replace(response, parts=filled))
    complete = repair_messages([*messages, ModelRequest([], instructions=instructions)])
    for part in (part for message in complete for part in message.parts):
        if isinstance(part, ToolReturnPart) and part.outcome == "interrupted":
            part.content = _INTERRUPTED  # the text of pydantic-ai does not say that the tool may have run
    return complete


def _is_blank(part: ModelResponsePart) -> bool:
    """Some providers write a blank text before a call, but reject a message whose only text is blank."""
    return isinstance(part, TextPart) and not part.content.strip()


def to_reply(
    response: ModelResponse, text: str, used: Usage, first_token_seconds: float | None, *, has_tags: bool
) -> ModelReply:
    """The response as a `ModelReply`. The toolbox rejects arguments that are not JSON.

    With `has_tags`, its texts are stored and sent back without the reasoning in them.
    """
    readable = replace(response, parts=[_readable(part, has_tags=has_tags) for part in response.parts])
    return ModelReply(
        text=text,
        tool_calls=tuple(
            ToolCall(sanitize(call.tool_call_id), sanitize(call.tool_name), sanitize(call.args_as_dict()))
            for call in readable.tool_calls
        ),
        model=sanitize(response.model_name or ""),
        payload=sanitize(_RESPONSE.dump_python(readable, mode="json", exclude_none=True)),
        first_token_seconds=first_token_seconds,
        finish_reason=finish_reason_of(response) or "stop",
        **asdict(used),
    )


def _readable(part: ModelResponsePart, *, has_tags: bool) -> ModelResponsePart:
    """Sanitize the arguments of a call, so that pydantic-ai can parse them and providers accept them.

    Its parser rejects JSON with an unpaired surrogate, and reads too large a number as infinity.
    """
    if isinstance(part, TextPart) and has_tags:
        return replace(part, content=answer_in(part.content))
    if isinstance(part, ToolCallPart) and isinstance(part.args, str):
        arguments = sanitize(part.args)
        with suppress(ValueError, RecursionError):
            parsed = json.loads(arguments)
            if (sanitized := sanitize(parsed)) != parsed:
                arguments = json.dumps(sanitized)
        return replace(part, args=arguments)
    return part


def finish_reason_of(response: ModelResponse) -> str | None:
    """`stop`, `tool_call`, `length`, `content_filter` or `error` if known, else the provider's word or `None`."""
    if response.finish_reason is not None:
        return response.finish_reason
    raw = (response.provider_details or {}).get("finish_reason")
    if raw is None:
        return None
    reason = str(raw).lower()
    known = (name for name, reasons in _FINISH_REASONS.items() if reason in reasons.split())
    return next(known, reason if _WORD.fullmatch(reason) else "unknown")
