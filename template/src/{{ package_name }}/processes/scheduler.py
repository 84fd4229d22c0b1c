"""The scheduler process: it queues scheduled tasks when they are due (rule 8.1).

A tick is unique in the database, so two schedulers run each tick once. If no scheduler ran for a while, the last missed
tick of each task runs once; a new task waits for its next time.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import structlog
from croniter import croniter
from prometheus_client import REGISTRY

from ..chat.maintenance import count_live_turns
from ..config import Settings
from ..extensions import Schedule
from ..observability import metrics
from ..observability.health import ProcessHealth, record_heartbeat
from ..observability.queue_metrics import QueueMetrics
from ..security.authentication import Authenticator
from ..services.container import ServiceContainer
from ..services.interfaces import ServiceUnavailable
from .health_server import LoopHealth, serve
from .lifecycle import SCHEDULES, run_until_stopped

log = structlog.get_logger()

MAX_PAUSE_SECONDS = 30.0  # the clock of a machine may jump
RETRY_SECONDS = 2.0


async def schedule(settings: Settings, stop: asyncio.Event) -> None:
    zone = ZoneInfo(settings.SCHEDULE_TIME_ZONE)
    queue_metrics = QueueMetrics([item.task.name for item in SCHEDULES], count_live_turns)
    REGISTRY.register(queue_metrics)
    async with (
        ServiceContainer(settings, with_model=False) as services,
        Authenticator(settings, services.database) as authenticator,
    ):
        health = ProcessHealth(services, stop, authenticator.may_read_metrics, queue_metrics.refresh)
        with serve(settings, LoopHealth(health)):
            seconds = metrics.record_startup(settings, "scheduler")
            log.info("started", seconds=seconds, schedules={item.task.name: item.cron for item in SCHEDULES})
            while not stop.is_set():
                now = datetime.now(zone)
                pause = min([MAX_PAUSE_SECONDS, *(seconds_to_next(item, now) for item in SCHEDULES)])
                try:
                    await record_heartbeat(services.database, "scheduler")
                    for item in SCHEDULES:
                        await tick(services, item, now)
                except ServiceUnavailable as error:
                    log.warning("tick_failed", reason=str(error))
                    pause = RETRY_SECONDS
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), max(0.05, pause))


async def tick(services: ServiceContainer, item: Schedule, now: datetime) -> bool:
    """Queue the task of `item` unless its latest time was handled before; return whether it was queued."""
    due = latest(item, now)
    parameters = {"task": item.task.name, "due": due}
    async with services.database.transaction() as transaction:
        before = await transaction.fetch_value(
            "SELECT max(due_at) FROM scheduler_ticks WHERE task = %(task)s", parameters
        )
        ticked = await transaction.execute(
            "INSERT INTO scheduler_ticks (task, due_at) VALUES (%(task)s, %(due)s) ON CONFLICT DO NOTHING", parameters
        )
        if not ticked or before is None:
            return False
        await services.task_queue.enqueue(item.task.name, {}, executor=transaction)
    metrics.SCHEDULER_TICKS.labels(item.task.name).inc()
    log.info("ticked", task=item.task.name, due=due.isoformat())
    return True


def latest(item: Schedule, now: datetime) -> datetime:
    """Return the last due time up to and including `now`.

    When clocks go back, a fixed time is due in the first of the two hours only; when they skip it, it is due at once,
    as with Debian's cron.
    """
    just_after = (now.astimezone(UTC) + timedelta(microseconds=1)).astimezone(now.tzinfo)
    due: datetime = croniter(item.cron, just_after).get_prev(datetime)
    is_fixed = not any(field.startswith("*") for field in item.cron.split()[:2])
    return due.replace(fold=0) if is_fixed else due


def seconds_to_next(item: Schedule, now: datetime) -> float:
    """Return the real seconds until the next due time."""
    due: datetime = croniter(item.cron, now).get_next(datetime)
    return due.timestamp() - now.timestamp()


def main(settings: Settings) -> None:
    run_until_stopped(schedule, settings)
