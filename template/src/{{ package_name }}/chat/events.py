"""The events of a turn: published as it runs, and followed from any replica (rule 6.1).

A reader puts a turn together step by step: `step.started` voids whatever came for that step before, since a turn that
another process resumes begins its unfinished step again. An event's id is `<fence>-<sequence>`, or `s<step>-<part>`
where it was made from the committed steps because the stream had expired, had a gap, or could not be reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import structlog

from ..services.interfaces import Event, ServiceUnavailable
from .models import Approval, Status, Step, Turn

if TYPE_CHECKING:
    from ..services.interfaces import EventStream
    from .session_store import ChatRepository

log = structlog.get_logger()

READ_SECONDS = 1.0
POLL_SECONDS = 0.3
FLUSH_SECONDS = 3.0
FINAL = ("turn.finished",)


def started(turn: Turn) -> dict[str, Any]:
    return {"turn": turn.number, "attempt": turn.fence}


def finished(turn: Turn) -> dict[str, Any]:
    return {
        "turn": turn.number,
        "status": turn.status,
        "response": turn.response,
        "error": turn.error,
        "finish_reason": turn.finish_reason,
        "usage": {
            "input_tokens": turn.input_tokens,
            "output_tokens": turn.output_tokens,
            "estimated": turn.usage_estimated,
        },
    }


def approval_required(approval: Approval) -> dict[str, Any]:
    return {
        "call_id": approval.call_id,
        "name": approval.tool,
        "arguments": approval.arguments,
        "expires_at": approval.expires_at.isoformat(),
    }


def end_of_step(step: Step) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events that tell of a committed step: the last of them ends it."""
    if step.kind == "tool":
        call, content = step.content["call"], step.content
        yield (
            "tool.returned",
            {
                "step": step.number,
                "call_id": call["id"],
                "name": call["name"],
                "content": content["content"],
                "failed": content["failed"],
            },
        )
        return
    for call in step.content["tool_calls"]:
        yield (
            "tool.called",
            {"step": step.number, "call_id": call["id"], "name": call["name"], "arguments": call["arguments"]},
        )
    yield "step.finished", {"step": step.number, "text": step.content["text"]}


def whole_step(step: Step) -> Iterator[tuple[str, dict[str, Any]]]:
    """All events of a committed step, its text in one piece."""
    if step.kind == "model":
        yield "step.started", {"step": step.number}
        if step.content["text"]:
            yield "text.delta", {"step": step.number, "text": step.content["text"]}
    yield from end_of_step(step)


class Publisher:
    """Writes the events of one attempt at a turn, to listeners in this process and to the event stream.

    The stream may be down: events wait for it while the turn goes on, and readers fall back on the database.
    """

    def __init__(self, stream: EventStream, turn: Turn) -> None:
        self._stream = stream
        self._name = turn.stream
        self._fence = turn.fence
        self._sequence = 0
        self._waiting: list[Event] = []
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False
        self.listeners: list[asyncio.Queue[Event | None]] = []

    def publish(self, type_: str, data: dict[str, Any]) -> None:
        self._sequence += 1
        event = Event(f"{self._fence}-{self._sequence}", type_, data)
        for listener in self.listeners:
            listener.put_nowait(event)
        self._waiting.append(event)
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())

    async def close(self) -> None:
        """Tell the listeners that no more comes, and give the last events FLUSH_SECONDS to reach the stream."""
        self._closed = True
        for listener in self.listeners:
            listener.put_nowait(None)
        if self._flushing is not None:
            await asyncio.wait({self._flushing}, timeout=FLUSH_SECONDS)
            self._flushing.cancel()

    async def _flush(self) -> None:
        pause = 0.1
        while self._waiting:
            batch = list(self._waiting)
            try:
                await self._stream.append(self._name, batch)
            except ServiceUnavailable:
                if pause == 0.1:
                    log.warning("events wait for the event stream", turn=self._name)
                await asyncio.sleep(pause)
                pause = min(2.0, pause * 2)
            else:
                del self._waiting[: len(batch)]


@dataclass(slots=True)
class _Progress:
    """How far a reader is: the last step it has whole, and the place of the last event it saw."""

    step: int = 0
    fence: int = 0
    sequence: int = 0

    def admit(self, event: Event) -> bool | None:
        """Whether to pass the event on; `None` when there is a gap before it."""
        fence, sequence = map(int, event.id.split("-"))
        follows = sequence == self.sequence + 1 if fence == self.fence else sequence == 1
        if not follows:
            return None
        self.fence, self.sequence = fence, sequence
        step = event.data.get("step")
        if step is not None and step <= self.step:
            return False  # told again by the process that took the turn up
        if event.type in ("step.finished", "tool.returned"):
            self.step = event.data["step"]
        return True


async def follow(
    repository: ChatRepository, stream: EventStream, turn: Turn, after: str | None, draining: asyncio.Event
) -> AsyncIterator[Event]:
    """Every event of `turn` after the id `after`, until the turn has ended; or until this process drains.

    Raises `ValueError` when `after` is no id of an event.
    """
    progress = _Progress()
    place_in_steps: tuple[int, float] | None = None
    if after is not None and after.startswith("s"):
        place_in_steps = _place(after)
    else:
        seen = tuple(map(int, after.split("-"))) if after else (0, 0)
        place: str | None = None
        idle = False
        while not draining.is_set():
            try:
                events = await stream.read(turn.stream, place, READ_SECONDS)
            except ServiceUnavailable:
                break
            admitted: bool | None = True
            for event in events:
                place = event.id
                admitted = progress.admit(event)
                if admitted is None:
                    break
                if admitted and (progress.fence, progress.sequence) > seen:
                    yield event
                if event.type in FINAL:
                    return
            if admitted is None or (not events and idle):
                break
            # Silence. Where the stream is known to say no more, the next round reads what was written meanwhile.
            idle = not events and await _is_silent(repository, turn, begun=place is not None)
    async for event in _from_database(repository, turn, place_in_steps or (progress.step, inf), draining):
        yield event


async def _is_silent(repository: ChatRepository, turn: Turn, *, begun: bool) -> bool:
    """Whether nothing comes any more: the turn has ended, or it waits for a person and its events have expired."""
    now = await repository.get_turn(turn.owner, turn.session_id, turn.number)
    return now is None or now.status.is_final or (now.status is Status.WAITING and not begun)


def _place(event_id: str) -> tuple[int, float]:
    """Where an event that was made from the steps stands: its step, and its part of it, which may be the last."""
    step, _, part = event_id.removeprefix("s").partition("-")
    return int(step), int(part) if part else inf


def _unseen(committed: Step, seen: tuple[int, float]) -> Iterator[Event]:
    """The events of a step that come after that place."""
    for part, (type_, data) in enumerate(whole_step(committed), start=1):
        if (committed.number, part) > seen:
            yield Event(f"s{committed.number}-{part}", type_, data)


def _waiting(approvals: Sequence[Approval], parts: int) -> list[tuple[int, Approval]]:
    """The calls that wait for a person, each with the part that it is: they come after those of the step."""
    latest = [approval for approval in approvals if approval.step == approvals[-1].step]
    return [(part, approval) for part, approval in enumerate(latest, parts + 1) if approval.approved is None]


async def _from_database(
    repository: ChatRepository, turn: Turn, seen: tuple[int, float], draining: asyncio.Event
) -> AsyncIterator[Event]:
    """The events of the committed steps after that place, each with an id of its own; then those that still come.

    Parts are numbered from 1, and the end of the turn is part 0 of a step that never comes: an id means the same
    whenever the events are made.
    """
    step, parts = max(0, seen[0] - 1), 0  # the step that the reader is in is read again
    while not draining.is_set():
        now = await repository.get_turn(turn.owner, turn.session_id, turn.number)
        if now is None:
            return
        for committed in await repository.steps(turn, after=step):
            for event in _unseen(committed, seen):
                yield event
            step, parts = committed.number, sum(1 for _ in whole_step(committed))
            seen = (step, parts) if seen[1] == inf else max(seen, (step, parts))
        if now.status.is_final:
            if seen != (step + 1, 0):
                yield Event(f"s{step + 1}-0", "turn.finished", finished(now))
            return
        if now.status is Status.WAITING:
            for part, approval in _waiting(await repository.approvals(turn), parts):
                if (step, part) > seen:
                    seen = (step, part)
                    yield Event(f"s{step}-{part}", "approval.required", approval_required(approval))
        await asyncio.sleep(POLL_SECONDS)
