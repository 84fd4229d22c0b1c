"""What the agent package builds on: contexts, tasks, scheduled jobs and exports. Its only window to the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from .config import Settings
    from .services.container import ServiceContainer
    from .services.interfaces import Executor

    RecordsOf = Callable[[Executor, str], AsyncIterator[dict[str, Any]]]
    Erase = Callable[[Executor, str], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a background task or scheduled job works with."""

    settings: Settings
    services: ServiceContainer


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool works with, as `ctx.deps`.

    `call_key` is the same each time this very call is tried again (after the death of a process, say): pass it on as an
    idempotency key to whatever the tool changes elsewhere.
    """

    settings: Settings
    services: ServiceContainer
    owner: str
    session_id: UUID
    turn: int
    call_key: str


@dataclass(frozen=True, slots=True)
class Task:
    """A function that worker processes run. It may be run more than once for one job: make it idempotent."""

    name: str
    run: Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """A task queued at each time that `cron` names (five fields, in SCHEDULE_TIME_ZONE)."""

    task: Task
    cron: str


class TaskRegistry:
    """The tasks and schedules of one module, gathered by decorators."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.schedules: list[Schedule] = []

    def task(self, run: Callable[..., Awaitable[None]]) -> Task:
        """Register `async def name(context: TaskContext, **arguments)`; queue it with `services.task_queue.enqueue`."""
        task = Task(run.__name__, run)
        self.tasks[task.name] = task
        return task

    def scheduled(self, cron: str) -> Callable[[Callable[[TaskContext], Awaitable[None]]], Task]:
        """Register a task that takes no arguments, and run it at each time that `cron` names."""

        def register(run: Callable[[TaskContext], Awaitable[None]]) -> Task:
            task = self.task(run)
            self.schedules.append(Schedule(task, cron))
            return task

        return register


class ExportRegistry:
    """What `export --owner` gives of the tables of the agent package, and `erase` deletes."""

    def __init__(self) -> None:
        self.kinds: dict[str, RecordsOf] = {}
        self.erasures: dict[str, Erase] = {}

    def kind(self, name: str) -> Callable[[RecordsOf], RecordsOf]:
        """Register `async def records(executor: Executor, owner: str)`, which yields records, as those of that kind."""

        def register(records_of: RecordsOf) -> RecordsOf:
            self.kinds[name] = records_of
            return records_of

        return register

    def erasure(self, name: str) -> Callable[[Erase], Erase]:
        """Register `async def erase(executor: Executor, owner: str) -> int`, which deletes those, and says how many."""

        def register(erase: Erase) -> Erase:
            self.erasures[name] = erase
            return erase

        return register
