"""Between committed steps and the conversation that the model is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..services.interfaces import ConversationItem, ModelReply, ToolCall, ToolOutcome, ToolResult, UserMessage
from .models import Step

if TYPE_CHECKING:
    from .models import PastTurn


def model_step(number: int, reply: ModelReply) -> Step:
    return Step(number, "model", {**asdict(reply), "tool_calls": [asdict(call) for call in reply.tool_calls]})


def tool_step(number: int, result: ToolResult) -> Step:
    outcome = result.outcome
    return Step(number, "tool", {"call": asdict(result.call), "content": outcome.content, "failed": outcome.failed})


def item_of(kind: str, content: dict[str, Any]) -> ModelReply | ToolResult:
    """The step as the model is shown it."""
    if kind == "tool":
        return ToolResult(ToolCall(**content["call"]), ToolOutcome(content["content"], content["failed"]))
    return ModelReply(**{**content, "tool_calls": tuple(ToolCall(**call) for call in content["tool_calls"])})


def items_of_past(turns: Iterable[PastTurn]) -> Iterator[ConversationItem]:
    for turn in turns:
        yield UserMessage(turn.message)
        for step in turn.steps:
            yield item_of(step["kind"], step["content"])
