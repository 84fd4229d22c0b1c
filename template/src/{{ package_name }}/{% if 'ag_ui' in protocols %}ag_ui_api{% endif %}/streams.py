"""Translates the events of a turn to those of AG-UI, in the published order.

A process that resumes a turn repeats the unfinished step. As long as the new text is the same as what was sent, nothing
is sent twice. Where it differs, a snapshot of the messages removes the text so far, and another message begins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ag_ui.core import (
    AssistantMessage,
    BaseEvent,
    FunctionCall,
    Message,
    MessagesSnapshotEvent,
    StepFinishedEvent,
    StepStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallEndEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
)

from ..chat.events import APPROVAL_REQUIRED
from ..chat.models import TurnKey
from ..services.interfaces import Event
from .ids import Id, parse


@dataclass(slots=True)
class _Step:
    """A step of the model: `sent` to the client, and `seen` of the current repetition of the step."""

    number: int
    attempt: int = 0
    sent: str = ""
    seen: str = ""
    is_open: bool = False  # the message
    calls: list[dict[str, Any]] = field(default_factory=list)  # in the current repetition


@dataclass(slots=True)
class Translator:
    """The events of one run: of the steps of a turn after the step `after`, up to the next wait for a person.

    `given` are the messages that the client has. `calls` are the ids of open calls of an earlier run, by those of the
    provider. `paused` is true once the turn waits.
    """

    key: TurnKey
    given: Sequence[Message]
    after: int = 0
    calls: dict[str, str] = field(default_factory=dict)
    paused: bool = False
    _step: _Step | None = None
    _done: int = 0  # the last complete step
    _messages: list[Message] = field(default_factory=list)  # of this run

    def begin(self) -> Iterator[BaseEvent]:
        """Remove what the client has of this run, which it repeats: its events follow again."""
        kept = [each for each in self.given if not self._is_of_run(each)]
        if len(kept) < len(self.given):
            self.given = kept
            yield self._snapshot()

    def translate(self, event: Event) -> Iterator[BaseEvent]:
        """The events that follow from one of the turn."""
        if self.paused:
            return
        if event.type == APPROVAL_REQUIRED:
            self.paused = self._done > self.after or self._step is not None  # else it is that of an earlier wait
            return
        step = event.data.get("step", 0)
        if step <= max(self.after, self._done):
            return
        if event.type == "tool.returned":
            self._done = step
            yield from self._return(step, event.data)
        else:
            yield from self._of_step(step, event)

    def _of_step(self, number: int, event: Event) -> Iterator[BaseEvent]:
        """The events of a response of the model."""
        step = self._step
        if step is None or step.number != number:
            self._step = step = _Step(number)
            yield StepStartedEvent(step_name=_name(number))
        if event.type == "step.started":
            step.seen = ""
            step.calls.clear()
        elif event.type == "text.delta":
            step.seen += event.data["text"]
            yield from self._send_text(step)
        elif event.type == "tool.called":
            step.calls.append(event.data)
        elif event.type == "step.finished":
            yield from self._finish_text(step, event.data["text"])
            for index, call in enumerate(step.calls):
                yield from self._call(step, index, call)
            self._done = number
            yield StepFinishedEvent(step_name=_name(number))

    def end(self) -> Iterator[BaseEvent]:
        """Close what is open in a run that ends in the middle of a step."""
        step = self._step
        if step is not None and step.number > self._done:
            yield from self._close_text(step)
            yield StepFinishedEvent(step_name=_name(step.number))

    def _send_text(self, step: _Step) -> Iterator[BaseEvent]:
        """Send what is new in the text; if it differs from what was sent, replace that."""
        if not step.seen.startswith(step.sent):
            if step.sent.startswith(step.seen):
                return  # a repetition up to here
            yield from self._replace_text(step)
        if step.seen == step.sent:
            return
        id_ = self._message_id(step)
        if not step.is_open:
            step.is_open = True
            yield TextMessageStartEvent(message_id=id_, role="assistant")
        new = step.seen[len(step.sent) :]
        step.sent = step.seen
        yield TextMessageContentEvent(message_id=id_, delta=new)

    def _finish_text(self, step: _Step, whole: str) -> Iterator[BaseEvent]:
        step.seen = whole
        yield from self._send_text(step)
        if step.sent != whole:  # the text is shorter than what was sent
            yield from self._replace_text(step)
            yield from self._send_text(step)
        if step.is_open:
            yield from self._close_text(step)
            self._assistant(step).content = step.sent

    def _replace_text(self, step: _Step) -> Iterator[BaseEvent]:
        yield from self._close_text(step)
        step.attempt += 1
        step.sent = ""
        yield self._snapshot()

    def _close_text(self, step: _Step) -> Iterator[BaseEvent]:
        if step.is_open:
            step.is_open = False
            yield TextMessageEndEvent(message_id=self._message_id(step))

    def _call(self, step: _Step, index: int, data: dict[str, Any]) -> Iterator[BaseEvent]:
        id_ = str(Id("call", self.key, step.number, index))
        self.calls[data["call_id"]] = id_
        arguments = json.dumps(data["arguments"], ensure_ascii=False)
        message = self._assistant(step)
        call = ToolCall(id=id_, type="function", function=FunctionCall(name=data["name"], arguments=arguments))
        message.tool_calls = [*(message.tool_calls or ()), call]
        yield ToolCallStartEvent(tool_call_id=id_, tool_call_name=data["name"], parent_message_id=message.id)
        yield ToolCallArgsEvent(tool_call_id=id_, delta=arguments)
        yield ToolCallEndEvent(tool_call_id=id_)

    def _return(self, step: int, data: dict[str, Any]) -> Iterator[BaseEvent]:
        call = self.calls.pop(data["call_id"])
        id_, content = str(Id("result", self.key, step)), data["content"]
        metadata = {"failed": True} if data["failed"] else None
        self._messages.append(ToolMessage(id=id_, tool_call_id=call, content=content, metadata=metadata))
        yield ToolCallResultEvent(message_id=id_, tool_call_id=call, content=content, role="tool", metadata=metadata)

    def _assistant(self, step: _Step) -> AssistantMessage:
        """The message of the step, which has its text and calls."""
        id_ = self._message_id(step)
        last = self._messages[-1] if self._messages else None
        if not isinstance(last, AssistantMessage) or last.id != id_:
            last = AssistantMessage(id=id_)
            self._messages.append(last)
        return last

    def _message_id(self, step: _Step) -> str:
        return str(Id("message", self.key, step.number, step.attempt))

    def _is_of_run(self, message: Message) -> bool:
        id_ = parse(message.id)
        return id_ is not None and id_.key == self.key and id_.step > self.after

    def _snapshot(self) -> MessagesSnapshotEvent:
        return MessagesSnapshotEvent(messages=[*self.given, *self._messages])


def _name(step: int) -> str:
    return f"step-{step}"
