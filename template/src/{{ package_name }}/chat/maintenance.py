"""The scheduled jobs of the chat: they delete old data and store a daily report (rules 8.1 and 12.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from ..extensions import TaskContext, TaskRegistry
from ..security import audit
from ..services.interfaces import StatementTimeout
from .session_store import SessionStore
from .turn_statistics import store_daily_report
from .turn_store import TurnStore

log = structlog.get_logger()
registry = TaskRegistry()

BATCH = 500
TICK_DAYS = 7


@registry.scheduled("0 * * * *")
async def cleanup_old_data(context: TaskContext) -> None:
    """Delete sessions unused for SESSION_RETENTION_DAYS and other old data, in short batches."""
    database, days = context.services.database, context.settings.SESSION_RETENTION_DAYS
    session_store = SessionStore(database)
    sessions = await _in_batches(lambda limit: session_store.delete_unused(days, limit))
    keys = await _in_batches(TurnStore(database).expire_idempotency_keys)
    await database.execute(
        """
        DELETE FROM scheduler_ticks old WHERE due_at < now() - make_interval(days => %(days)s)
        AND EXISTS (SELECT FROM scheduler_ticks WHERE task = old.task AND due_at > old.due_at)
        """,
        {"days": TICK_DAYS},
    )
    entries = await audit.expire(database, context.settings.AUDIT_RETENTION_DAYS)
    await database.execute(
        "DELETE FROM owner_usage WHERE day < (now() AT TIME ZONE 'UTC')::date - %(days)s", {"days": days}
    )
    if sessions or entries:
        deleted = {"sessions": sessions, "audit_entries": entries}
        await audit.record(database, audit.Entry("scheduler", "delete.expired", None, detail=deleted))
    log.info("old_data_deleted", sessions=sessions, idempotency_keys=keys, audit_entries=entries)


async def _in_batches(delete: Callable[[int], Awaitable[int]]) -> int:
    """Call `delete` with a limit until it finds nothing, with smaller limits after a timeout; returns the total."""
    total, limit = 0, BATCH
    while True:
        try:
            deleted = await delete(limit)
        except StatementTimeout:
            if limit == 1:
                raise
            limit = max(1, limit // 5)
            continue
        if not deleted:
            return total
        total += deleted


@registry.scheduled("0 2 * * *")
async def generate_daily_report(context: TaskContext) -> None:
    """Store the report of yesterday, in SCHEDULE_TIME_ZONE."""
    zone = context.settings.SCHEDULE_TIME_ZONE
    yesterday = datetime.now(ZoneInfo(zone)).date() - timedelta(days=1)
    await store_daily_report(context.services.database, yesterday, zone)
    log.info("daily_report_stored", day=yesterday.isoformat())
