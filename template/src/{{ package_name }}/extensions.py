"""The extension surface: everything in this package that `agent/` may import.

Most names are imported on first use, so that the command line stays fast.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from .constants import SLUG

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram
    from pydantic_ai import FunctionToolset, ModelRetry, RunContext, Tool

    from .config import AdminSettings, Settings, load
    from .problems import Problem
    from .security.authentication import Owner
    from .services.implementations.postgres import PostgresDatabase
    from .services.interfaces import (
        Database,
        Executor,
        Services,
        ServiceUnavailable,
        StatementTimeout,
        Task,
        TaskContext,
        ToolContext,
        UniqueConflict,
    )
    from .services.outbound import OutboundRefused

    RecordsOf = Callable[[Executor, str], AsyncIterator[dict[str, Any]]]
    Erase = Callable[[Executor, str], Awaitable[int]]

Function = TypeVar("Function")

__all__ = [
    "AdminSettings",
    "CommandFailed",
    "Counter",
    "Database",
    "Executor",
    "ExportRegistry",
    "FunctionToolset",
    "Gauge",
    "Histogram",
    "ModelRetry",
    "OutboundRefused",
    "Owner",
    "PostgresDatabase",
    "Problem",
    "RunContext",
    "Schedule",
    "ServiceUnavailable",
    "Services",
    "Settings",
    "StatementTimeout",
    "Task",
    "TaskContext",
    "TaskRegistry",
    "Tool",
    "ToolContext",
    "UniqueConflict",
    "load",
    "open_database",
]
_MODULES = {
    ".config": "AdminSettings Settings load",
    ".problems": "Problem",
    ".security.authentication": "Owner",
    ".services.implementations.postgres": "PostgresDatabase",
    ".services.interfaces": (
        "Database Executor Services ServiceUnavailable StatementTimeout Task TaskContext ToolContext UniqueConflict"
    ),
    ".services.outbound": "OutboundRefused",
    "prometheus_client": "Counter Gauge Histogram",
    "pydantic_ai": "FunctionToolset ModelRetry RunContext Tool",
}
_LAZY = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name], __package__), name)


class CommandFailed(Exception):
    """A command cannot do what was asked. The message says what is wrong and what to do about it."""


@asynccontextmanager
async def open_database(settings: AdminSettings | None = None) -> AsyncIterator[Database]:
    """The migrated database, for a command: no other service is opened, and no other secret is required.

    Raises `ConfigurationError`, `ServiceUnavailable`, and `CommandFailed` when `migrate` was never run.
    """
    from .config import AdminSettings, load
    from .services.implementations.postgres import PostgresDatabase

    database = PostgresDatabase(settings or load(AdminSettings), patient=False)
    try:
        await database.open()
        if await database.fetch_value("SELECT to_regclass('chat_sessions')::text") is None:
            raise CommandFailed(f"The database holds no tables yet: run `{SLUG} migrate` first.")
        yield database
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class Schedule:
    """A task queued whenever `cron` matches (five fields, in SCHEDULE_TIME_ZONE)."""

    task: Task
    cron: str


class TaskRegistry:
    """The tasks and schedules of one module, registered by decorators."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.schedules: list[Schedule] = []

    def task(self, run: Callable[..., Awaitable[None]]) -> Task:
        """Register `async def name(context: TaskContext, **arguments)`; queue it with `services.task_queue.enqueue`."""
        from .services.interfaces import Task

        task = Task(run.__name__, run)
        self.tasks[task.name] = task
        return task

    def scheduled(self, cron: str) -> Callable[[Callable[[TaskContext], Awaitable[None]]], Task]:
        """Register a task without arguments that is queued whenever `cron` matches."""

        def register(run: Callable[[TaskContext], Awaitable[None]]) -> Task:
            task = self.task(run)
            self.schedules.append(Schedule(task, cron))
            return task

        return register


class ExportRegistry:
    """The agent's tables in `export --owner` and `erase`."""

    def __init__(self) -> None:
        self.kinds: dict[str, RecordsOf] = {}
        self.erasures: dict[str, Erase] = {}

    def kind(self, name: str) -> Callable[[RecordsOf], RecordsOf]:
        """Register `async def records(executor: Executor, owner: str)`, which yields the records of that kind."""
        return partial(_register, self.kinds, name)

    def erasure(self, name: str) -> Callable[[Erase], Erase]:
        """Register `async def erase(executor: Executor, owner: str) -> int`, which returns how many it deleted."""
        return partial(_register, self.erasures, name)


def _register(registered: dict[str, Function], name: str, function: Function) -> Function:
    registered[name] = function
    return function
