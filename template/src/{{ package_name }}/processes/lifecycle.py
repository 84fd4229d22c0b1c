"""Shared by worker and scheduler: their tasks, the sweep for lost turns, and the stop on a signal (rule 9.1)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from ..agent.tasks import registry as agent_tasks
from ..chat.maintenance import registry as chat_tasks
from ..chat.models import TurnKey
from ..chat.service import RUN_TURN
from ..chat.turn_store import TurnStore
from ..extensions import Task, TaskContext
from ..observability.health import record_heartbeat
from ..observability.instrumentation import TaskOperation

if TYPE_CHECKING:
    from ..chat.supervisor import TurnSupervisor
    from ..config import Settings
    from ..services.container import ServiceContainer

log = structlog.get_logger()

TASKS = {**chat_tasks.tasks, **agent_tasks.tasks}
SCHEDULES = [*chat_tasks.schedules, *agent_tasks.schedules]

SWEEP_SECONDS = 2.0
SWEEP_LIMIT = 200


def run_until_stopped(main: Callable[[Settings, asyncio.Event], Coroutine[Any, Any, None]], settings: Settings) -> None:
    """Run `main`, and set its event on SIGTERM or SIGINT: it then drains and returns."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await main(settings, stop)
        log.info("stopped")

    asyncio.run(run())


def worker_tasks(supervisor: TurnSupervisor) -> dict[str, Task]:
    """Return all tasks of a worker, including the one that runs turns, with metrics and a log of failures."""

    async def run_turn(_context: TaskContext, session_id: str, number: int) -> None:
        await supervisor.resume(TurnKey(UUID(session_id), number))

    return {name: _measured(task) for name, task in {**TASKS, RUN_TURN: Task(RUN_TURN, run_turn)}.items()}


def _measured(task: Task) -> Task:
    async def run(context: TaskContext, **arguments: Any) -> None:
        with TaskOperation(task=task.name):
            try:
                await task.run(context, **arguments)
            except Exception:
                log.exception("task_failed", task=task.name)
                raise

    return Task(task.name, run)


async def sweep(services: ServiceContainer, queued_seconds: float) -> None:
    """Queue turns again whose process died, or whose job is lost after `queued_seconds` in the queue.

    Raises `ServiceUnavailable`.
    """
    await record_heartbeat(services.database, "worker")
    for key in await TurnStore(services.database).find_stalled(queued_seconds, SWEEP_LIMIT):
        await services.task_queue.enqueue(RUN_TURN, key.job, key=str(key))
