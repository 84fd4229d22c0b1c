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
GAUGES: tuple[tuple[str, str, list[str]], ...] = (
    ("turns_live", "Turns that have not ended.", ["status"]),
    ("turn_oldest_age_seconds", "Age of the oldest turn that has not ended.", ["status"]),
    ("scheduler_last_tick_timestamp_seconds", "The due time for which a task was last queued.", ["task"]),
    ("task_queue_depth", "Jobs that wait for a worker.", []),
    ("task_queue_oldest_age_seconds", "How long the oldest job has waited.", []),
    ("backing_service_up", "1 if the database or cache answers, otherwise 0.", ["backing_service"]),
)


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
        self._gauges = _gauges()

    def collect(self) -> Iterable[Metric]:
        return self._gauges.values()

    async def refresh(self, services: ServiceContainer) -> None:
        gauges = _gauges()
        checks, _ = await asyncio.gather(check_services(services), self._read(services, gauges))
        for name, result in checks.items():
            gauges["backing_service_up"].add_metric([name], result == "ok")
        self._gauges = gauges

    async def _read(self, services: ServiceContainer, gauges: dict[str, GaugeMetricFamily]) -> None:
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                for status, (count, oldest) in (await self._count_turns(services.database)).items():
                    gauges["turns_live"].add_metric([status], count)
                    gauges["turn_oldest_age_seconds"].add_metric([status], oldest)
                ticks = await services.database.fetch_all(
                    LastTick,
                    """
                    SELECT task, extract(epoch FROM due_at)::float AS due
                    FROM unnest(%(tasks)s::text[]) AS task, LATERAL (
                        SELECT due_at FROM scheduler_ticks WHERE scheduler_ticks.task = task.task
                        ORDER BY due_at DESC LIMIT 1
                    ) AS latest
                    """,
                    {"tasks": self._tasks},
                )
                for tick in ticks:
                    gauges["scheduler_last_tick_timestamp_seconds"].add_metric([tick.task], tick.due)
                gauges["task_queue_depth"].add_metric([], await services.task_queue.depth())
                gauges["task_queue_oldest_age_seconds"].add_metric([], await services.task_queue.oldest_age())
        except (ServiceUnavailable, TimeoutError):
            return


def _gauges() -> dict[str, GaugeMetricFamily]:
    return {name: GaugeMetricFamily(name, documentation, labels=labels) for name, documentation, labels in GAUGES}
