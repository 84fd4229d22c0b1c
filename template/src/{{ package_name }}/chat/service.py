"""What the chat can do, apart from HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ..services.interfaces import Event, ServiceUnavailable, UniqueConflict
from .events import finished, follow
from .models import Status, Turn
from .repository import TurnInProgress
from .turns import LiveTurn, Turns

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer

RUN_TURN = "run_turn"
PAUSE_OR_END = ("approval.required", "turn.finished")


class KeyReused(Exception):
    """The idempotency key came before with another request."""


class NoDecisionOpen(Exception):
    """There is no such approval to decide: unknown, decided already, or expired."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is stored. `live` is there when the turn runs in this process."""

    turn: Turn
    live: LiveTurn | None


class ChatService:
    def __init__(self, settings: Settings, services: ServiceContainer, turns: Turns) -> None:
        self._settings = settings
        self._services = services
        self._turns = turns
        self.repository = turns.repository

    async def send(self, owner: str, session_id: UUID, text: str, *, queued: bool, idempotency_key: str | None) -> Sent:
        """Store a message and have its turn run: here and now, or `queued` for a worker.

        Raises `SessionNotFound`, `TurnInProgress` and `KeyReused`; the same message under the same key is sent once.
        """
        digest = hashlib.sha256(f"{session_id}\n{text}".encode()).hexdigest() if idempotency_key else None
        if idempotency_key and digest and (known := await self._known(owner, idempotency_key, digest)):
            return known
        try:
            if queued:
                return Sent(await self._queue(owner, session_id, text, idempotency_key, digest), None)
            turn = await self.repository.begin_turn(
                owner,
                session_id,
                text,
                lease_seconds=self._settings.TURN_LEASE_SECONDS,
                idempotency_key=idempotency_key,
                request_digest=digest,
            )
        except (UniqueConflict, TurnInProgress):
            # The same key may have come twice at the same time, and the other request was quicker.
            known = await self._known(owner, idempotency_key, digest) if idempotency_key and digest else None
            if known is None:
                raise
            return known
        return Sent(turn, self._turns.start(turn))

    async def _known(self, owner: str, key: str, digest: str) -> Sent | None:
        found = await self.repository.turn_of_key(owner, key, digest)
        if found is None:
            return None
        turn, same = found
        if not same:
            raise KeyReused
        return Sent(turn, None)

    async def _queue(self, owner: str, session_id: UUID, text: str, key: str | None, digest: str | None) -> Turn:
        async with self._services.database.transaction() as transaction:
            turn = await self.repository.begin_turn(
                owner,
                session_id,
                text,
                lease_seconds=None,
                idempotency_key=key,
                request_digest=digest,
                executor=transaction,
            )
            arguments = {"session_id": str(session_id), "number": turn.number}
            await self._services.task_queue.enqueue(RUN_TURN, arguments, executor=transaction)
        return turn

    async def result(self, sent: Sent) -> Turn:
        """The turn once it has ended or waits for an approval; or as it is, should this process stop before."""
        turn = sent.turn
        if sent.live is not None and (ended := await sent.live.wait()) is not None:
            return ended
        now = await self._now(turn)
        if now.status in (Status.QUEUED, Status.RUNNING):
            async for event in self.follow(turn, None):
                if event.type in PAUSE_OR_END:
                    break
            now = await self._now(turn)
        return now

    async def _now(self, turn: Turn) -> Turn:
        return await self.repository.get_turn(turn.owner, turn.session_id, turn.number) or turn

    async def stream(self, sent: Sent) -> AsyncIterator[Event]:
        """The events of the turn from its beginning, until it ends or waits for an approval."""
        last: Event | None = None
        if sent.live is not None:
            async for event in sent.live.events():
                last = event
                yield event
        if last is None or last.type not in PAUSE_OR_END:
            async for event in self.follow(sent.turn, last.id if last else None):
                yield event
                if event.type in PAUSE_OR_END:
                    break

    def follow(self, turn: Turn, after: str | None) -> AsyncIterator[Event]:
        return follow(self.repository, self._services.event_stream, turn, after, self._turns.draining)

    async def cancel(self, turn: Turn) -> Turn | None:
        """End a live turn; `None` when it has ended already. Its readers are told, and its process stops to run it."""
        cancelled = await self.repository.cancel(turn)
        if cancelled is not None:
            self._turns.stop(cancelled)
            event = Event(f"{cancelled.fence}-1", "turn.finished", finished(cancelled))
            with suppress(ServiceUnavailable):  # readers then see it in the database
                await self._services.event_stream.append(cancelled.stream, [event])
        return cancelled

    async def decide(self, turn: Turn, call_id: str, approved: bool, note: str | None) -> None:
        """Approve or refuse a call that waits; the turn goes on, on a worker, with the last decision.

        Raises `NoDecisionOpen`.
        """
        if not await self.repository.decide(turn, call_id, approved, note, by=turn.owner):
            raise NoDecisionOpen
        arguments = {"session_id": str(turn.session_id), "number": turn.number}
        await self._services.task_queue.enqueue(RUN_TURN, arguments)
