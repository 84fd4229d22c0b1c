"""The worker process: it runs queued turns and tasks, and takes up turns whose process died (rules 8.1 and 9.1)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from uuid import UUID

import structlog

from ..chat.models import TurnKey
from ..chat.service import RUN_TURN
from ..chat.turns import Turns
from ..config import Settings
from ..extensions import Task, TaskContext
from ..services.container import ServiceContainer
from ..services.interfaces import ServiceUnavailable
from .common import TASKS, run_until_stopped

log = structlog.get_logger()

SWEEP_SECONDS = 2.0
QUEUED_SECONDS = 30.0  # a turn queued for longer may have lost its job
SWEEP_LIMIT = 200


async def work(settings: Settings, stop: asyncio.Event) -> None:
    async with ServiceContainer(settings) as services, Turns(settings, services) as turns:

        async def run_turn(context: TaskContext, session_id: str, number: int) -> None:
            await turns.take_up(TurnKey(UUID(session_id), number))

        tasks = {**TASKS, RUN_TURN: Task(RUN_TURN, run_turn)}
        sweep = asyncio.create_task(_sweep(services, turns))
        drain = asyncio.create_task(_drain_when(stop, turns))
        log.info("started", tasks=sorted(tasks))
        try:
            await services.task_queue.work(tasks, TaskContext(settings, services), stop)
        finally:
            sweep.cancel()
            drain.cancel()


async def _drain_when(stop: asyncio.Event, turns: Turns) -> None:
    await stop.wait()
    turns.draining.set()


async def _sweep(services: ServiceContainer, turns: Turns) -> None:
    """Queue again the turns that nobody runs any more: a dead process tells nobody."""
    while True:
        with suppress(ServiceUnavailable):
            for key in await turns.repository.lost_turns(QUEUED_SECONDS, SWEEP_LIMIT):
                arguments = {"session_id": str(key.session_id), "number": key.number}
                await services.task_queue.enqueue(RUN_TURN, arguments, key=f"{key.session_id}/{key.number}")
        await asyncio.sleep(SWEEP_SECONDS)


def main(settings: Settings) -> None:
    run_until_stopped(work, settings)
