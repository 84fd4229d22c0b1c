"""Builds the backing services from the settings, and opens and closes them together (rules 4.1 and 9.1)."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from .implementations.language_model import PydanticAILanguageModel
from .implementations.postgres import PostgresDatabase
from .implementations.procrastinate_queue import ProcrastinateQueue
from .implementations.toolbox import AgentToolbox
from .implementations.valkey import ValkeyCache, ValkeyEventStream
from .interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from ..config import Settings
    from .interfaces import Cache, Database, EventStream, LanguageModel, Service, TaskQueue, Toolbox


class ServiceContainer:
    """The services of one process: an asynchronous context manager that opens them all at once.

    The database must answer. The others may be down: what needs them raises `ServiceUnavailable`, and /ready tells.
    """

    def __init__(self, settings: Settings, *, with_model: bool = True) -> None:
        self.database: Database = PostgresDatabase(settings)
        self.cache: Cache = ValkeyCache(settings)
        self.event_stream: EventStream = ValkeyEventStream(settings)
        self.task_queue: TaskQueue = ProcrastinateQueue(settings, self.database)
        self.toolbox: Toolbox = AgentToolbox(settings)
        self.language_model: LanguageModel = PydanticAILanguageModel(settings)
        self._with_model = with_model  # a process that runs no turns need not pay for its import
        self._exit = AsyncExitStack()

    @property
    def by_name(self) -> dict[str, Service]:
        services: dict[str, Service] = {
            "database": self.database,
            "cache": self.cache,
            "event_stream": self.event_stream,
            "task_queue": self.task_queue,
        }
        return {**services, "language_model": self.language_model} if self._with_model else services

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.TaskGroup() as group:
                for service in self.by_name.values():
                    self._exit.push_async_callback(service.close)
                    group.create_task(service.open())
        except* ServiceUnavailable as failed:
            await self._exit.aclose()
            raise failed.exceptions[0] from None
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()
