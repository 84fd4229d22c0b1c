"""Converts between committed steps and the conversation that the model receives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from ..services.interfaces import ConversationItem, ModelReply, ToolCall, ToolOutcome, ToolResult, UserMessage
from .models import Step

if TYPE_CHECKING:
    from .models import PastTurn

STORED_WITH_THE_TURN = ("finish_reason", "estimated")  # processes of older releases cannot read them in a step


def model_step(number: int, reply: ModelReply) -> Step:
    content = asdict(reply)
    for name in STORED_WITH_THE_TURN:
        del content[name]
    return Step(number, "model", content)


def tool_step(number: int, result: ToolResult) -> Step:
    outcome = result.outcome
    return Step(number, "tool", {"call": asdict(result.call), "content": outcome.content, "failed": outcome.failed})


def item_of(kind: str, content: dict[str, Any]) -> ModelReply | ToolResult:
    """The conversation item of a step."""
    if kind == "tool":
        return ToolResult(ToolCall(**content["call"]), ToolOutcome(content["content"], content["failed"]))
    return ModelReply(**{**content, "tool_calls": tuple(ToolCall(**call) for call in content["tool_calls"])})


def items_of_past(turns: Iterable[PastTurn]) -> Iterator[ConversationItem]:
    for turn in turns:
        yield UserMessage(turn.message)
        for step in turn.steps:
            yield item_of(step["kind"], step["content"])


def latest(turns: Sequence[PastTurn], max_bytes: int) -> list[PastTurn]:
    """The last turns that fit into `max_bytes`. A larger one is cut to its message and answer, if those fit."""
    kept: list[PastTurn] = []
    for turn in reversed(turns):
        answered = replace(turn, steps=turn.steps[-1:])
        fitting = next((part for part in (turn, answered) if _size(part) <= max_bytes), None)
        if fitting is None:
            break
        max_bytes -= _size(fitting)
        kept.append(fitting)
    return kept[::-1]


def _size(turn: PastTurn) -> int:
    """The approximate number of bytes that the model reads."""
    texts = [turn.message]
    for step in turn.steps:
        content = step["content"]
        texts.append(content["content"] if step["kind"] == "tool" else content["text"])
        texts += [json.dumps(call["arguments"], ensure_ascii=False) for call in content.get("tool_calls", ())]
    return sum(len(text.encode()) for text in texts)
