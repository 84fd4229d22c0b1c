"""Turns as worker processes see them: the task that runs one, and the sweep that finds those whose process died."""

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


def tasks_with(supervisor: TurnSupervisor) -> dict[str, Task]:
    """All tasks of a worker, the one that runs turns among them."""

    async def run_turn(context: TaskContext, session_id: str, number: int) -> None:
        await supervisor.resume(TurnKey(UUID(session_id), number))

    return {name: _measured(task) for name, task in {**TASKS, RUN_TURN: Task(RUN_TURN, run_turn)}.items()}


def _measured(task: Task) -> Task:
    async def run(context: TaskContext, **arguments: Any) -> None:
        with TaskOperation(task=task.name):
            try:
                await task.run(context, **arguments)
            except Exception:
                log.exception("a task failed", task=task.name)
                raise

    return Task(task.name, run)


async def sweep(services: ServiceContainer, queued_seconds: float) -> None:
    """Queue again the turns that nobody runs any more: a dead process tells nobody.

    A turn that has been queued for `queued_seconds` may have lost its job. Raises `ServiceUnavailable`.
    """
    await record_heartbeat(services.database, "worker")
    for key in await TurnStore(services.database).find_stalled(queued_seconds, SWEEP_LIMIT):
        await services.task_queue.enqueue(RUN_TURN, key.job, key=str(key))
