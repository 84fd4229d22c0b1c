"""What waits, what was scheduled and which service answers, told by the scheduler: one truth, however many replicas."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..services.interfaces import ServiceUnavailable
from .health import check_services

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import Metric

    from ..services.container import ServiceContainer

LIVE = ("queued", "running", "waiting_for_approval")
LOOK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class LiveTurns:
    """The turns of one status that have not ended. `oldest` is in seconds since the message."""

    status: str
    count: int
    oldest: float


@dataclass(frozen=True, slots=True)
class LastTick:
    """When a scheduled task was last due and queued, in seconds since 1970."""

    task: str
    due: float


class QueueMetrics(Collector):
    """Tells what `look` saw last. What could not be seen is not told: an old number would pass for a true one."""

    def __init__(self, tasks: Sequence[str]) -> None:
        self._tasks = list(tasks)
        self._turns: list[LiveTurns] = []
        self._ticks: list[LastTick] = []
        self._queue: tuple[int, float] | None = None
        self._checks: dict[str, str] = {}

    async def refresh(self, services: ServiceContainer) -> None:
        self._turns, self._ticks, self._queue = [], [], None
        self._checks, _ = await asyncio.gather(check_services(services), self._read(services))

    async def _read(self, services: ServiceContainer) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                self._turns = await services.database.fetch_all(
                    LiveTurns,
                    """
                    SELECT status, count(live.status)::int AS count,
                           coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS oldest
                    FROM unnest(%(live)s::text[]) AS status LEFT JOIN (
                        -- the condition of an index: no turn that has ended is read
                        SELECT status, created_at FROM turns
                        WHERE status IN ('queued', 'running', 'waiting_for_approval')
                    ) AS live USING (status) GROUP BY status
                    """,
                    {"live": list(LIVE)},
                )
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
        live = GaugeMetricFamily("turns_live", "Turns that have not ended.", labels=["status"])
        age = GaugeMetricFamily(
            "turn_oldest_age_seconds", "How long ago the oldest turn of those began.", labels=["status"]
        )
        for turns in self._turns:
            live.add_metric([turns.status], turns.count)
            age.add_metric([turns.status], turns.oldest)
        yield from (live, age)
        tick = GaugeMetricFamily(
            "scheduler_last_tick_timestamp_seconds", "The due time for which a task was last queued.", labels=["task"]
        )
        for last in self._ticks:
            tick.add_metric([last.task], last.due)
        yield tick
        depth = GaugeMetricFamily("task_queue_depth", "Jobs that wait for a worker.")
        oldest = GaugeMetricFamily("task_queue_oldest_age_seconds", "How long the oldest job has waited.")
        if self._queue is not None:
            depth.add_metric([], self._queue[0])
            oldest.add_metric([], self._queue[1])
        yield from (depth, oldest)
        up = GaugeMetricFamily(
            "backing_service_up", "1 where the database or the cache answers, 0 where not.", labels=["backing_service"]
        )
        for name, result in self._checks.items():
            up.add_metric([name], result == "ok")
        yield up
