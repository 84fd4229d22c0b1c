"""Translates the events of a turn to those of OpenAI's responses, in the published names and order.

The `sequence_number` of an event is its position in the turn: the step, the attempt at its text, and the place in it.
The place of a piece of text is the number of characters so far. So it is the same whichever process sends it, and
however the text was cut into pieces: a stream that starts after any number continues with the next character.

A process that resumes a turn repeats the unfinished step. As long as the new text is the same as what was sent, nothing
is sent twice. Where it differs, the message so far ends as incomplete, and another one follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from ..services.interfaces import Event
from . import objects, outputs
from .outputs import Part

Content = dict[str, Any]

PLACES: Final = 1 << 22  # in an attempt at a step
ATTEMPTS: Final = 64
FIRST_CHARACTER: Final = 16
END_OF_TEXT: Final = 1 << 21
FIRST_CALL: Final = END_OF_TEXT + 16
PLACES_OF_CALL: Final = 8
FINAL: Final = 1 << 52  # of the last event; JavaScript reads numbers up to 2^53 exactly


def number(step: int, attempt: int, place: int) -> int:
    return (step * ATTEMPTS + min(attempt, ATTEMPTS - 1)) * PLACES + min(place, PLACES - 1)


@dataclass(slots=True)
class _Text:
    """The message of a step: `sent` to the client in this attempt, and `seen` of the current repetition of the step."""

    step: int
    attempt: int
    index: int = -1  # in the output, once it has begun
    sent: str = ""
    seen: str = ""
    closed: bool = False
    calls: int = 0  # of the step that were sent
    repeated: int = 0  # of these, in the current repetition


@dataclass(slots=True)
class Translator:
    """The events of one response, from those of its turn.

    `is_gated` says whether calls of a tool need an approval. Only events after `starting_after` are sent.
    """

    part: Part
    is_gated: Callable[[str], bool]
    starting_after: int = -1
    _items: int = 0
    _text: _Text = field(default_factory=lambda: _Text(0, 0, closed=True))
    _calls: dict[str, tuple[int, objects.McpCall]] = field(default_factory=dict)
    _done: int = 0  # the last complete step

    def begin(self) -> Iterator[Content]:
        """The first events, before any of the turn."""
        new: Content = {"output": [], "status": "in_progress", "usage": None, "completed_at": None, "error": None}
        response = outputs.response_of(self.part).model_copy(update={**new, "incomplete_details": None})
        states = [("created", response), ("in_progress", response)]
        if response.background and not self.part.after:
            queued = response.model_copy(update={"status": "queued"})
            states = [("created", queued), ("queued", queued), ("in_progress", response)]
        for place, (name, state) in enumerate(states):
            yield from self._send(number(self.part.after, 0, place), f"response.{name}", response=_dump(state))
        for index, (id_, item) in enumerate(outputs.granted_calls(self.part).items()):
            yield from self._begin_call(id_, item, number(self.part.after, ATTEMPTS - 1, index * PLACES_OF_CALL))

    def end(self, part: Part) -> Iterator[Content]:
        """The last event: `part` is the response as it is stored now."""
        yield from self._close_text("incomplete")
        name = part.status if part.status in ("completed", "failed") else "incomplete"
        yield from self._send(FINAL, f"response.{name}", response=_dump(outputs.response_of(part)))

    def translate(self, event: Event) -> Iterator[Content]:
        """The events that follow from one of the turn."""
        step = event.data.get("step", 0)
        if step <= self.part.after or step <= self._done:
            return
        if step != self._text.step or event.type == "step.started":
            self._start(step, is_stored=event.id.startswith("s"))
        if event.type == "text.delta":
            self._text.seen += event.data["text"]
            yield from self._send_text()
        elif event.type == "tool.called":
            yield from self._finish_text(self._text.seen)
            yield from self._add_call(event.data)
        elif event.type == "step.finished":
            yield from self._finish_text(event.data["text"])
            self._done = step
        elif event.type == "tool.returned":
            yield from self._return(step, event.data)
            self._done = step

    def _start(self, step: int, *, is_stored: bool) -> None:
        if self._text.step != step:
            # The stored steps know no attempts: the text continues that of which the client has the beginning.
            at, attempt = divmod(self.starting_after // PLACES, ATTEMPTS)
            self._text = _Text(step, attempt if is_stored and at == step else 0)
        self._text.seen, self._text.repeated = "", 0

    def _send_text(self) -> Iterator[Content]:
        """Send what is new in the text; if it differs from what was sent, end that message and begin another one."""
        text = self._text
        if not text.seen.startswith(text.sent):
            if text.sent.startswith(text.seen):
                return  # a repetition up to here
            yield from self._close_text("incomplete")
            self._text = text = _Text(text.step, text.attempt + 1, seen=text.seen)
        if text.seen == text.sent:
            return
        place = number(text.step, text.attempt, 0)
        if text.index < 0:
            text.index = self._next_index()
            item = outputs.message(self._text_id, "", "in_progress").model_copy(update={"content": []})
            yield from self._send(place, "response.output_item.added", output_index=text.index, item=_dump(item))
            part = _dump(objects.OutputText(text=""))
            yield from self._send(place + 1, "response.content_part.added", **self._place_of_text(), part=part)
        first = place + FIRST_CHARACTER
        begun = max(len(text.sent), self.starting_after - first)  # the client has these characters
        text.sent = text.seen
        yield from self._send(
            first + len(text.sent),
            "response.output_text.delta",
            **self._place_of_text(),
            delta=text.sent[begun:],
            logprobs=[],
        )

    def _finish_text(self, whole: str) -> Iterator[Content]:
        self._text.seen = whole
        yield from self._send_text()
        if self._text.sent != whole:  # the text is shorter than what was sent
            yield from self._close_text("incomplete")
            self._text = _Text(self._text.step, self._text.attempt + 1, seen=whole, calls=self._text.calls)
            yield from self._send_text()
        yield from self._close_text("completed")

    def _close_text(self, status: objects.ItemStatus) -> Iterator[Content]:
        text = self._text
        if text.closed or text.index < 0:
            return
        text.closed = True
        place = number(text.step, text.attempt, END_OF_TEXT)
        item = outputs.message(self._text_id, text.sent, status)
        of_text = self._place_of_text()
        yield from self._send(place, "response.output_text.done", **of_text, text=text.sent, logprobs=[])
        part = _dump(item.content[0])
        yield from self._send(place + 1, "response.content_part.done", **of_text, part=part)
        yield from self._send(place + 2, "response.output_item.done", output_index=text.index, item=_dump(item))

    def _add_call(self, data: Content) -> Iterator[Content]:
        text = self._text
        text.repeated += 1
        if text.repeated <= text.calls:
            return
        index, text.calls = text.calls, text.repeated
        place = number(text.step, text.attempt, FIRST_CALL + index * PLACES_OF_CALL)
        described = (self.part.turn, text.step, index, data["name"], data["arguments"])
        asked = any((each.step, each.call_id) == (text.step, data["call_id"]) for each in self.part.asked)
        if not asked and not self.is_gated(data["name"]):
            yield from self._begin_call(data["call_id"], outputs.new_call(*described), place)
            return
        request, at = _dump(outputs.request_for(*described)), self._next_index()
        yield from self._send(place, "response.output_item.added", output_index=at, item=request)
        yield from self._send(place + 1, "response.output_item.done", output_index=at, item=request)

    def _begin_call(self, id_: str, item: objects.McpCall, place: int) -> Iterator[Content]:
        index = self._next_index()
        self._calls[id_] = index, item
        begun = item.model_copy(update={"arguments": ""})  # as published: clients append the deltas
        yield from self._send(place, "response.output_item.added", output_index=index, item=_dump(begun))
        of_item = {"output_index": index, "item_id": item.id}
        yield from self._send(place + 1, "response.mcp_call.in_progress", **of_item)
        yield from self._send(place + 2, "response.mcp_call_arguments.delta", **of_item, delta=item.arguments)
        yield from self._send(place + 3, "response.mcp_call_arguments.done", **of_item, arguments=item.arguments)

    def _return(self, step: int, data: Content) -> Iterator[Content]:
        if data["call_id"] not in self._calls:
            return
        index, call = self._calls.pop(data["call_id"])
        ended = outputs.finished_call(call, data["content"], failed=data["failed"])
        name = f"response.mcp_call.{ended.status}"
        yield from self._send(number(step, 0, 0), name, output_index=index, item_id=call.id)
        yield from self._send(number(step, 0, 1), "response.output_item.done", output_index=index, item=_dump(ended))

    @property
    def _text_id(self) -> str:
        return outputs.text_id(self.part.turn, self._text.step, self._text.attempt)

    def _place_of_text(self) -> Content:
        return {"item_id": self._text_id, "output_index": self._text.index, "content_index": 0}

    def _next_index(self) -> int:
        self._items += 1
        return self._items - 1

    def _send(self, place: int, type_: str, **fields: Any) -> Iterator[Content]:
        if place > self.starting_after:
            yield {"type": type_, "sequence_number": place, **fields}


def _dump(model: BaseModel) -> Content:
    content: Content = model.model_dump(mode="json")
    return content
