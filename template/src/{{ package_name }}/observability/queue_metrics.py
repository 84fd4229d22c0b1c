"""Metrics of queues, schedules and backing services. Only the scheduler exports them, however many replicas run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..services.interfaces import ServiceUnavailable
from .health import check_services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from prometheus_client import Metric

    from ..services.container import ServiceContainer
    from ..services.interfaces import Database

    # Returns the number of unfinished turns by status, and the seconds since the oldest of their messages.
    CountTurns = Callable[[Database], Awaitable[Mapping[str, tuple[int, float]]]]

QUERY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class LastTick:
    """The due time for which a scheduled task was last queued, in seconds since 1970."""

    task: str
    due: float


class QueueMetrics(Collector):
    """Exports the values of the last `refresh`, and no series for a failed query: an old value would look current."""

    def __init__(self, tasks: Sequence[str], count_turns: CountTurns) -> None:
        self._tasks = list(tasks)
        self._count_turns = count_turns
        self._turns: Mapping[str, tuple[int, float]] = {}
        self._ticks: list[LastTick] = []
        self._queue: tuple[int, float] | None = None
        self._checks: dict[str, str] = {}

    async def refresh(self, services: ServiceContainer) -> None:
        self._turns, self._ticks, self._queue = {}, [], None
        self._checks, _ = await asyncio.gather(check_services(services), self._read(services))

    async def _read(self, services: ServiceContainer) -> None:
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                self._turns = await self._count_turns(services.database)
                self._ticks = await services.database.fetch_all(
                    LastTick,
                    """
                    SELECT task, extract(epoch FROM max(due_at))::float AS due FROM scheduler_ticks
                    WHERE task = ANY(%(tasks)s) GROUP BY task
                    """,
                    {"tasks": self._tasks},
                )
                self._queue = await services.task_queue.depth(), await services.task_queue.oldest_age()
        except (ServiceUnavailable, TimeoutError):
            return

    def collect(self) -> Iterable[Metric]:
        turns, ticks, checks, queue = self._turns, self._ticks, self._checks, self._queue
        yield _gauge(
            "turns_live",
            "Turns that have not ended.",
            "status",
            {status: count for status, (count, _) in turns.items()},
        )
        yield _gauge(
            "turn_oldest_age_seconds",
            "Age of the oldest turn that has not ended.",
            "status",
            {status: oldest for status, (_, oldest) in turns.items()},
        )
        yield _gauge(
            "scheduler_last_tick_timestamp_seconds",
            "The due time for which a task was last queued.",
            "task",
            {tick.task: tick.due for tick in ticks},
        )
        depth = GaugeMetricFamily("task_queue_depth", "Jobs that wait for a worker.")
        oldest = GaugeMetricFamily("task_queue_oldest_age_seconds", "How long the oldest job has waited.")
        if queue is not None:
            depth.add_metric([], queue[0])
            oldest.add_metric([], queue[1])
        yield from (depth, oldest)
        yield _gauge(
            "backing_service_up",
            "1 if the database or cache answers, otherwise 0.",
            "backing_service",
            {name: result == "ok" for name, result in checks.items()},
        )


def _gauge(name: str, documentation: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for labelled, value in values.items():
        family.add_metric([labelled], value)
    return family
