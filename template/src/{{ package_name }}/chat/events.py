"""Publishes the events of a running turn, and follows them from any replica (rule 6.1).

`step.started` voids the earlier events of that step, since a process that resumes a turn repeats its unfinished step.
An event's id is `<fence>-<sequence>`, or `s<step>-<part>` when it comes from the committed steps, because the event
stream has expired, has a gap, or is down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import structlog

from ..services.interfaces import Event, ServiceUnavailable
from .models import Approval, Status, Step, Turn, TurnView

if TYPE_CHECKING:
    from ..services.interfaces import EventStream
    from .turn_store import TurnStore
    from .watching import TurnState, TurnWatch

log = structlog.get_logger()

READ_SECONDS = 1.0
POLL_SECONDS = 0.3
JOIN_SECONDS = 0.05
CLOSE_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0

APPROVAL_REQUIRED = "approval.required"
TURN_FINISHED = "turn.finished"

Content = tuple[str, dict[str, Any]]  # the type and data of an event


def started(turn: Turn) -> Content:
    return "turn.started", {"turn": turn.number, "attempt": turn.fence}


def finished(turn: Turn) -> Content:
    fields = {"turn", "status", "response", "error", "finish_reason", "output", "usage"}
    return TURN_FINISHED, TurnView.model_validate(turn).model_dump(mode="json", include=fields)


def approval_required(approval: Approval) -> Content:
    return APPROVAL_REQUIRED, {
        "call_id": approval.call_id,
        "name": approval.tool,
        "arguments": approval.arguments,
        "expires_at": approval.expires_at.isoformat(),
    }


def step_started(step: int) -> Content:
    return "step.started", {"step": step}


def text(step: int, piece: str) -> Content:
    return "text.delta", {"step": step, "text": piece}


def end_of_step(step: Step) -> Iterator[Content]:
    """The events of committing a step; the last one ends it."""
    number, content = step.number, step.content
    if step.kind == "tool":
        call = {"call_id": content["call"]["id"], "name": content["call"]["name"]}
        yield "tool.returned", {"step": number, **call, "content": content["content"], "failed": content["failed"]}
        return
    for each in content["tool_calls"]:
        call = {"call_id": each["id"], "name": each["name"]}
        yield "tool.called", {"step": number, **call, "arguments": each["arguments"]}
    yield "step.finished", {"step": number, "text": content["text"]}


def whole_step(step: Step) -> Iterator[Content]:
    """All events of a committed step, its text in one piece."""
    if step.kind == "model":
        yield step_started(step.number)
        if step.content["text"]:
            yield text(step.number, step.content["text"])
    yield from end_of_step(step)


class Publisher:
    """Sends the events of one attempt at a turn to the readers in this process and to the event stream.

    Readers here get them from memory. The text of a step is joined into an event every JOIN_SECONDS, except for its
    first piece, and the stream takes the new events at most as often. So a fast model costs no more than a slow one.
    While the stream is down, the turn continues, its events wait, and readers elsewhere use the database.
    """

    def __init__(self, stream: EventStream, turn: Turn) -> None:
        self._stream = stream
        self._name = turn.key.stream
        self._fence = turn.fence
        self._events: list[Event] = []  # all of them: the position of each is its sequence
        self._appended = 0  # how many of them the stream has
        self._step = 0  # of the text that is not an event yet
        self._text: list[str] = []
        self._begins = True  # the next piece of text is the first after another event
        self._closed = False
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    def publish(self, *contents: Content) -> None:
        self._join()
        for content in contents:
            self._add(content)
        self._begins = True
        self._notify()
        self._send_later()

    def publish_text(self, step: int, piece: str) -> None:
        """Publish a piece of the text of a step, at once if it is the first, else within JOIN_SECONDS."""
        self._step = step
        self._text.append(piece)
        if self._begins:
            self._begins = False
            self._join()
            self._notify()
        if self._timer is None:
            self._send_later()

    async def events(self, after: int = 0) -> AsyncIterator[Event]:
        """The events after the sequence `after` as they are published, until `close`. For any number of readers."""
        while True:
            news = self._news
            for event in self._events[after:]:
                yield event
                after += 1
            if news is self._news:
                if self._closed:
                    return
                await news.wait()

    def sequence(self, after: str | None) -> int | None:
        """The position of the event with the id `after`; `None` when it belongs to another attempt."""
        if after is None:
            return 0
        fence, _, sequence = after.partition("-")
        return int(sequence) if fence == str(self._fence) else None

    async def close(self) -> None:
        """End `events`, and wait up to CLOSE_SECONDS for the stream to take the last ones."""
        self._closed = True
        self._send()
        self._notify()
        if self._flushing is not None:
            await asyncio.wait({self._flushing}, timeout=CLOSE_SECONDS)
            self._flushing.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _add(self, content: Content) -> None:
        self._events.append(Event(f"{self._fence}-{len(self._events) + 1}", *content))

    def _join(self) -> None:
        """Make one event of the text so far."""
        if self._text:
            self._add(text(self._step, "".join(self._text)))
            self._text.clear()

    def _notify(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def _send_later(self) -> None:
        if self._timer is None:
            wait = self._sent_at + JOIN_SECONDS - self._loop.time()
            self._timer = self._loop.call_later(max(0.0, wait), self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sent_at = self._loop.time()
        if self._text:
            self._join()
            self._notify()
        if self._appended < len(self._events) and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while self._appended < len(self._events):
            batch = self._events[self._appended :]
            try:
                await self._stream.append(self._name, batch)
            except ServiceUnavailable:
                if pause == FIRST_PAUSE_SECONDS:
                    log.warning("event_stream_unavailable", turn=self._name)
                await asyncio.sleep(pause)
                pause = min(MAX_PAUSE_SECONDS, pause * 2)
            else:
                self._appended += len(batch)
                if not self._closed:
                    break
        if self._appended < len(self._events):
            self._send_later()


@dataclass(slots=True)
class _Progress:
    """A reader's position: the last complete step, and the id of the last event."""

    step: int = 0
    last: tuple[int, int] = (0, 0)

    def admit(self, event: Event) -> bool | None:
        """Whether the reader needs the event; `None` when events before it are missing."""
        fence, sequence = map(int, event.id.split("-"))
        if sequence != (self.last[1] + 1 if fence == self.last[0] else 1):
            return None
        self.last = fence, sequence
        step = event.data.get("step")
        if step is not None and step <= self.step:
            return False  # repeated by the process that resumed the turn
        if event.type in ("step.finished", "tool.returned"):
            self.step = event.data["step"]
        return True


async def follow(
    store: TurnStore, watch: TurnWatch, stream: EventStream, turn: Turn, after: str | None, draining: asyncio.Event
) -> AsyncIterator[Event]:
    """The events of `turn` after the id `after`, until the turn finishes or this process drains.

    Raises `ValueError` when `after` is not the id of an event.
    """
    progress = _Progress()
    seen_part: tuple[int, float] | None = None
    if after is not None and after.startswith("s"):
        step, _, part = after.removeprefix("s").partition("-")
        seen_part = int(step), int(part) if part else inf
    else:
        seen = tuple(map(int, after.split("-"))) if after else (0, 0)
        position: str | None = None
        idle = False
        while not draining.is_set():
            try:
                events = await stream.read(turn.key.stream, position, READ_SECONDS)
            except ServiceUnavailable:
                break
            admitted: bool | None = True
            for event in events:
                position = event.id
                admitted = progress.admit(event)
                if admitted is None:
                    break
                if admitted and progress.last > seen:
                    yield event
                if event.type == TURN_FINISHED:
                    return
            if admitted is None or (not events and idle):
                break
            # An idle stream is read once more, for events written between the last read and the query.
            idle = not events and await _is_idle(watch, turn, begun=position is not None)
    async for event in _from_database(store, watch, turn, seen_part or (progress.step, inf), draining):
        yield event


async def _is_idle(watch: TurnWatch, turn: Turn, *, begun: bool) -> bool:
    """Whether no event will follow: the turn has finished, or it waits for an approval and its events have expired."""
    now = await watch.state(turn.key)
    return now is None or now.status.is_final or (now.status is Status.WAITING and not begun)


def _unseen(step: int, contents: Iterable[tuple[int, Content]], seen: tuple[int, float]) -> Iterator[Event]:
    """The events of the numbered parts of a step after the part `seen`."""
    return (Event(f"s{step}-{part}", *content) for part, content in contents if (step, part) > seen)


async def _from_database(
    store: TurnStore, watch: TurnWatch, turn: Turn, seen: tuple[int, float], draining: asyncio.Event
) -> AsyncIterator[Event]:
    """The events after the part `seen` of a step, made from the committed steps as they appear.

    Parts are numbered from 1, approvals follow the parts of their step, and `turn.finished` is part 0 of the step after
    the last. So an id has the same meaning whenever the events are made.
    """
    step, parts = max(0, seen[0] - 1), 0  # the reader may have seen a part of the next step
    state: TurnState | None = None
    while not draining.is_set():
        now = await store.get(turn.owner, turn.session_id, turn.number)
        if now is None:
            return
        for committed in await store.steps(turn, after=step):
            contents = list(whole_step(committed))
            step, parts = committed.number, len(contents)
            for event in _unseen(step, enumerate(contents, 1), seen):
                yield event
            seen = (step, parts) if seen[1] == inf else max(seen, (step, parts))
        if now.status.is_final:
            if seen != (step + 1, 0):
                yield Event(f"s{step + 1}-0", *finished(now))
            return
        if now.status is Status.WAITING:
            approvals = await store.approvals(turn)
            latest = [each for each in approvals if each.step == approvals[-1].step]
            pending = [(part, each) for part, each in enumerate(latest, parts + 1) if each.approved is None]
            for event in _unseen(step, ((part, approval_required(each)) for part, each in pending), seen):
                yield event
            seen = max(seen, (step, parts + len(latest)))
        read = state
        while (state := await watch.state(turn.key)) == read and not draining.is_set():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(POLL_SECONDS)
