"""The tasks of a worker: the one that runs turns, and the sweep for turns whose process died."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog

from ..chat.models import TurnKey
from ..chat.service import RUN_TURN
from ..chat.turn_store import TurnStore
from ..extensions import Task, TaskContext
from ..observability.health import record_heartbeat
from ..observability.instrumentation import TaskOperation
from .lifecycle import TASKS

if TYPE_CHECKING:
    from ..chat.supervisor import TurnSupervisor
    from ..services.container import ServiceContainer

log = structlog.get_logger()

SWEEP_SECONDS = 2.0
SWEEP_LIMIT = 200


def worker_tasks(supervisor: TurnSupervisor) -> dict[str, Task]:
    """Return all tasks of a worker, including the one that runs turns, with metrics and a log of failures."""

    async def run_turn(context: TaskContext, session_id: str, number: int) -> None:
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
