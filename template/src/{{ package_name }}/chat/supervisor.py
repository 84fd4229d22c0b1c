"""The turns that this process runs: their leases, their listeners, and their end when it stops (rule 9.1)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import structlog

from ..observability.instrumentation import TurnOperation
from ..services.interfaces import Event, ModelUse, ServiceUnavailable
from .events import Publisher
from .models import Turn, TurnKey
from .runner import TurnRun
from .session_store import ChatRepository
from .turn_store import LeaseLost

if TYPE_CHECKING:
    from types import TracebackType

    from ..config import Settings
    from ..services.container import ServiceContainer
    from .budgets import Spending

log = structlog.get_logger()

LOST = "the turn was cancelled, or another process has taken it up"
HEARTBEATS_PER_LEASE = 8  # so that a cancelled turn stops within a second on default settings


class RunningTurn:
    """A turn that runs in this process."""

    def __init__(self, turn: Turn, publisher: Publisher, spending: Spending | None) -> None:
        self.turn = turn
        self.spending = spending
        self.publisher = publisher
        self.task: asyncio.Task[Turn | None]
        self.held_until = 0.0  # by this process's own clock, time.monotonic()
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        publisher.listeners.append(self._events)

    @property
    def key(self) -> TurnKey:
        return TurnKey(self.turn.session_id, self.turn.number)

    async def events(self) -> AsyncIterator[Event]:
        """What is published, until this process is done with the turn. For one reader."""
        while (event := await self._events.get()) is not None:
            yield event

    async def wait(self) -> Turn | None:
        """The turn as it ended; `None` when it waits for an approval, was cancelled, or goes on elsewhere."""
        await asyncio.wait({self.task})
        return None if self.task.cancelled() else self.task.result()


class Turns:
    """An asynchronous context manager; leaving it lets turns under way end, and releases those that cannot in time."""

    def __init__(self, settings: Settings, services: ServiceContainer) -> None:
        self._settings = settings
        self._services = services
        self.repository = ChatRepository(services.database)
        self._live: dict[TurnKey, RunningTurn] = {}
        self._heartbeat: asyncio.Task[None]
        self.draining = asyncio.Event()
        self._until = math.inf  # when what still runs is given up

    async def __aenter__(self) -> Self:
        self._heartbeat = asyncio.create_task(self._keep_leases())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(0)
        self._heartbeat.cancel()
        with suppress(asyncio.CancelledError):
            await self._heartbeat

    async def drain(self, grace_seconds: float) -> None:
        """Wait for the turns under way; after the grace, give up the rest, for other processes to go on with.

        The grace begins with the first call: a later one waits no longer than that.
        """
        self.draining.set()
        self._until = min(self._until, time.monotonic() + grace_seconds)
        tasks = {live.task for live in self._live.values()}
        if not tasks:
            return
        left = self._until - time.monotonic()
        _, late = await asyncio.wait(tasks, timeout=left) if left > 0 else (set(), tasks)
        for task in late:
            task.cancel()
        if late:
            log.warning("turns go on in another process", turns=len(late))
            await asyncio.wait(late)

    def start(self, turn: Turn, spending: Spending | None = None) -> RunningTurn:
        """Run a turn whose lease this process holds; `spending` is what was just seen of its owner's."""
        publisher = Publisher(self._services.event_stream, turn)
        live = RunningTurn(turn, publisher, spending)
        live.held_until = time.monotonic() + self._settings.TURN_LEASE_SECONDS
        self._live[live.key] = live
        live.task = asyncio.create_task(self._run(live), name=turn.stream)
        return live

    def stop(self, key: TurnKey) -> None:
        """Stop to run a turn that was cancelled or deleted, if it runs here."""
        live = self._live.get(key)
        if live is not None:
            live.task.cancel()

    async def resume(self, key: TurnKey) -> None:
        """Run a queued or abandoned turn here, if it is still to be had, and wait for it."""
        turn = await self.repository.claim(key, self._settings.TURN_LEASE_SECONDS)
        if turn is None:
            return
        live = self.start(turn)
        try:
            await live.wait()
        except asyncio.CancelledError:
            live.task.cancel()
            await asyncio.wait({live.task})
            raise

    async def _run(self, live: RunningTurn) -> Turn | None:
        turn = live.turn
        operation = TurnOperation(session_id=str(turn.session_id), number=turn.number, created_at=turn.created_at)
        with structlog.contextvars.bound_contextvars(session_id=str(turn.session_id), turn=turn.number), operation:
            ended = await self._run_to_end(live)
            if ended is not None and ended.status.is_final:
                operation.status = ended.status
                tokens = {"input_tokens": ended.input_tokens, "output_tokens": ended.output_tokens}
                reason = {"finish_reason": ended.finish_reason, "usage_estimated": ended.usage_estimated}
                log.info("the turn ended", status=str(ended.status), **tokens, **reason)
            return ended

    async def _run_to_end(self, live: RunningTurn) -> Turn | None:
        turn = live.turn
        try:
            run = TurnRun(self._settings, self._services, self.repository, turn, live.publisher, live.spending)
            return await run.run()
        except LeaseLost:
            log.info(LOST)
        except ServiceUnavailable as unavailable:
            log.warning("the turn is left to be taken up again", backing_service=unavailable.service)
        except asyncio.CancelledError:
            if self.draining.is_set():
                with suppress(ServiceUnavailable):
                    await self.repository.release(turn)
        except Exception:
            log.exception("the turn failed by an error in the program")
            error = {"type": "internal", "detail": "An internal error ended the turn.", "retry_after": None}
            with suppress(LeaseLost, ServiceUnavailable):
                return await self.repository.fail(turn, error, ModelUse())
        finally:
            if self._live.get(live.key) is live:  # not one that took up the turn again here
                del self._live[live.key]
            await live.publisher.close()
        return None

    async def _keep_leases(self) -> None:
        lease = self._settings.TURN_LEASE_SECONDS
        while True:
            await asyncio.sleep(lease / HEARTBEATS_PER_LEASE)
            if not self._live:
                continue
            lives = list(self._live.values())
            asked = time.monotonic()
            try:
                held = await self.repository.extend_leases([live.turn for live in lives], lease)
            except Exception as error:  # whatever it was, the next heartbeat has to come
                if not isinstance(error, ServiceUnavailable):
                    log.exception("leases could not be renewed")
                held = {live.key for live in lives if live.held_until > time.monotonic()}
            else:
                for live in lives:
                    live.held_until = asked + lease
            for live in lives:
                if live.key not in held:
                    log.info(LOST, session_id=str(live.turn.session_id), turn=live.turn.number)
                    live.task.cancel()
