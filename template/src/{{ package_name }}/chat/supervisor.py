"""Runs the turns of this process: renews their leases, and stops them when the process stops (rule 9.1)."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import structlog

from ..observability.instrumentation import TurnOperation
from ..services.interfaces import ServiceUnavailable, Usage
from .errors import LeaseLost
from .models import Turn, TurnError, TurnErrorType, TurnKey
from .runner import RunningTurn
from .turn_store import TurnStore

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer
    from .models import Spending

log = structlog.get_logger()

HEARTBEATS_PER_LEASE = 8  # a cancelled turn stops within a second on default settings


class TurnSupervisor:
    """An asynchronous context manager: leaving it releases the turns that still run."""

    def __init__(self, settings: Settings, services: ServiceContainer) -> None:
        self._settings = settings
        self._services = services
        self._store = TurnStore(services.database)
        self._running: dict[TurnKey, RunningTurn] = {}
        self._heartbeat: asyncio.Task[None]
        self._loading: asyncio.Task[None]
        self.draining = asyncio.Event()
        self._deadline = math.inf  # for draining

    async def __aenter__(self) -> Self:
        self._heartbeat = asyncio.create_task(self._keep_leases())
        self._loading = asyncio.create_task(self._load_tools())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain(0)
        for task in (self._heartbeat, self._loading):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def drain(self, grace_seconds: float) -> None:
        """Wait for the running turns; after the grace period, release the rest to other processes.

        The grace period begins with the first call; later calls do not extend it.
        """
        self.draining.set()
        self._deadline = min(self._deadline, time.monotonic() + grace_seconds)
        tasks = {running.task for running in self._running.values()}
        if not tasks:
            return
        left = self._deadline - time.monotonic()
        _, late = await asyncio.wait(tasks, timeout=left) if left > 0 else (set(), tasks)
        for task in late:
            task.cancel()
        if late:
            log.warning("turns_released", turns=len(late))
            await asyncio.wait(late)

    def start(self, turn: Turn, spending: Spending | None = None) -> RunningTurn:
        """Run a turn that this process has claimed; `spending` is its owner's, if just read."""
        running = RunningTurn(self._settings, self._services, turn, spending)
        running.held_until = time.monotonic() + self._settings.TURN_LEASE_SECONDS
        running.task = asyncio.create_task(self._run(running), name=turn.key.stream)
        self._running[turn.key] = running
        return running

    def running(self, key: TurnKey) -> RunningTurn | None:
        """The turn, if it runs in this process."""
        return self._running.get(key)

    def stop(self, key: TurnKey) -> None:
        """Stop running a turn that was cancelled or deleted, if it runs here."""
        if key in self._running:
            self._running[key].task.cancel()

    async def resume(self, key: TurnKey) -> None:
        """Run a queued or abandoned turn here, if it can be claimed, and wait for it."""
        turn = await self._store.claim(key, self._settings.TURN_LEASE_SECONDS)
        if turn is None:
            return
        if turn.fence > 1:
            log.info("turn_resumed", session_id=str(key.session_id), turn=key.number, crashes=turn.crashes)
        running = self.start(turn)
        try:
            await running.wait()
        except asyncio.CancelledError:
            running.task.cancel()
            await asyncio.wait({running.task})
            raise

    async def _run(self, running: RunningTurn) -> Turn | None:
        turn = running.turn
        operation = TurnOperation(session_id=str(turn.session_id), number=turn.number, created_at=turn.created_at)
        with structlog.contextvars.bound_contextvars(session_id=str(turn.session_id), turn=turn.number), operation:
            ended = await self._run_to_end(running)
            if ended is not None:
                operation.status = ended.status
                log.info(
                    "turn_ended",
                    status=str(ended.status),
                    input_tokens=ended.input_tokens,
                    output_tokens=ended.output_tokens,
                    finish_reason=ended.finish_reason,
                    usage_estimated=ended.usage_estimated,
                )
            return ended

    async def _run_to_end(self, running: RunningTurn) -> Turn | None:
        turn = running.turn
        try:
            return await running.run()
        except LeaseLost:
            log.info("turn_lease_lost")
        except ServiceUnavailable as unavailable:
            log.warning("turn_interrupted", backing_service=unavailable.service)
        except asyncio.CancelledError:
            if self.draining.is_set():
                with suppress(ServiceUnavailable):
                    await self._store.release(turn)
        except Exception:
            log.exception("turn_crashed")
            error = TurnError(TurnErrorType.INTERNAL, "An internal error ended the turn.", None)
            with suppress(LeaseLost, ServiceUnavailable):
                return await self._store.fail(turn, error, Usage())
        finally:
            if self._running.get(turn.key) is running:  # this process may have claimed the turn again
                del self._running[turn.key]
            await running.publisher.close()
        return None

    async def _load_tools(self) -> None:
        """Import the tools before the first turn needs them. A process whose tools are broken is not ready."""
        with suppress(ServiceUnavailable):  # a model that is not configured is reported by the turns
            await self._services.language_model.ping()  # first: both import pydantic-ai, each in a thread
        try:
            await self._services.toolbox.check()
            await self._services.toolbox.ask_servers(wait_seconds=0)  # they answer in the background
        except Exception:
            log.critical("tools_broken", exc_info=True)

    async def _keep_leases(self) -> None:
        lease = self._settings.TURN_LEASE_SECONDS
        while True:
            await asyncio.sleep(lease / HEARTBEATS_PER_LEASE)
            if not self._running:
                continue
            turns = list(self._running.values())
            asked = time.monotonic()
            try:
                held = await self._store.extend_leases([running.turn for running in turns], lease)
            except Exception as error:  # no error may end the heartbeats
                if not isinstance(error, ServiceUnavailable):
                    log.exception("lease_renewal_failed")
                held = {running.turn.key for running in turns if running.held_until > time.monotonic()}
            else:
                for running in turns:
                    running.held_until = asked + lease
            for running in turns:
                if running.turn.key not in held:
                    log.info("turn_lease_lost", session_id=str(running.turn.session_id), turn=running.turn.number)
                    running.task.cancel()
