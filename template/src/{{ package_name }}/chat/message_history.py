"""Between committed steps and the conversation that the model is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ..services.interfaces import ConversationItem, ModelReply, ToolCall, ToolOutcome, ToolResult, UserMessage
from .models import Step

if TYPE_CHECKING:
    from .models import PastTurn


OF_THE_TURN = ("finish_reason", "estimated")  # stored with the turn; a process of an older release reads steps too


def model_step(number: int, reply: ModelReply) -> Step:
    content = {name: value for name, value in asdict(reply).items() if name not in OF_THE_TURN}
    return Step(number, "model", {**content, "tool_calls": [asdict(call) for call in reply.tool_calls]})


def tool_step(number: int, result: ToolResult) -> Step:
    outcome = result.outcome
    return Step(number, "tool", {"call": asdict(result.call), "content": outcome.content, "failed": outcome.failed})


def item_of(kind: str, content: dict[str, Any]) -> ModelReply | ToolResult:
    """The step as the model is shown it."""
    if kind == "tool":
        return ToolResult(ToolCall(**content["call"]), ToolOutcome(content["content"], content["failed"]))
    return ModelReply(**{**content, "tool_calls": tuple(ToolCall(**call) for call in content["tool_calls"])})


def latest(turns: Sequence[PastTurn], max_bytes: int) -> list[PastTurn]:
    """The last turns that take `max_bytes` in all; of one that takes more, the message and the answer, if they fit."""
    kept: list[PastTurn] = []
    for turn in reversed(turns):
        answered = replace(turn, steps=turn.steps[-1:])
        fits = next((part for part in (turn, answered) if _bytes_of(part) <= max_bytes), None)
        if fits is None:
            break
        max_bytes -= _bytes_of(fits)
        kept.append(fits)
    return kept[::-1]


def _bytes_of(turn: PastTurn) -> int:
    """About what the model reads of it."""
    told = [turn.message]
    for step in turn.steps:
        content = step["content"]
        told.append(content["content"] if step["kind"] == "tool" else content["text"])
        told += [json.dumps(call["arguments"], ensure_ascii=False) for call in content.get("tool_calls", ())]
    return sum(len(text.encode()) for text in told)


def items_of_past(turns: Iterable[PastTurn]) -> Iterator[ConversationItem]:
    for turn in turns:
        yield UserMessage(turn.message)
        for step in turn.steps:
            yield item_of(step["kind"], step["content"])
