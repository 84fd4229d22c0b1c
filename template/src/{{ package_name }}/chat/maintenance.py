"""The chat's scheduled jobs: old data goes, and each day leaves a report (rules 8.1 and 12.1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, LiteralString
from zoneinfo import ZoneInfo

import structlog

from ..extensions import TaskContext, TaskRegistry
from ..security import audit
from ..services.interfaces import StatementTimeout
from .session_store import IDEMPOTENCY_KEY_HOURS

if TYPE_CHECKING:
    from datetime import date

    from ..services.interfaces import Database, Parameters

log = structlog.get_logger()
registry = TaskRegistry()

BATCH = 500
TICK_DAYS = 7


@registry.scheduled("0 * * * *")
async def cleanup_old_data(context: TaskContext) -> None:
    """Delete sessions untouched for SESSION_RETENTION_DAYS, and what else is stale, in batches that are soon done."""
    database = context.services.database
    sessions = await _in_batches(
        database,
        """
        DELETE FROM chat_sessions WHERE id IN (
            SELECT id FROM chat_sessions s WHERE updated_at < now() - make_interval(days => %(days)s)
            AND NOT EXISTS (
                SELECT FROM turns t WHERE t.session_id = s.id
                AND t.status IN ('queued', 'running', 'waiting_for_approval'))
            ORDER BY updated_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
        )
        """,
        {"days": context.settings.SESSION_RETENTION_DAYS},
    )
    keys = await _in_batches(
        database,
        """
        UPDATE turns SET idempotency_key = NULL, request_digest = NULL WHERE (session_id, number) IN (
            SELECT session_id, number FROM turns
            WHERE idempotency_key IS NOT NULL AND created_at < now() - make_interval(hours => %(hours)s)
            ORDER BY created_at LIMIT %(batch)s
        )
        """,
        {"hours": IDEMPOTENCY_KEY_HOURS},
    )
    await database.execute(
        """
        DELETE FROM scheduler_ticks old WHERE due_at < now() - make_interval(days => %(days)s)
        AND EXISTS (SELECT FROM scheduler_ticks WHERE task = old.task AND due_at > old.due_at)
        """,
        {"days": TICK_DAYS},
    )
    entries = await audit.expire(database, context.settings.AUDIT_RETENTION_DAYS)
    await database.execute(
        "DELETE FROM owner_usage WHERE day < (now() AT TIME ZONE 'UTC')::date - %(days)s",
        {"days": context.settings.SESSION_RETENTION_DAYS},
    )
    if sessions or entries:
        gone = {"sessions": sessions, "audit_entries": entries}
        await audit.record(database, audit.Entry("scheduler", "delete.expired", None, detail=gone))
    log.info("old data is gone", sessions=sessions, idempotency_keys=keys, audit_entries=entries)


async def _in_batches(database: Database, statement: LiteralString, parameters: Parameters) -> int:
    """Run a statement until it finds no more, for fewer at a time if it takes too long; returns how many it found."""
    found, batch = 0, BATCH
    while True:
        try:
            rows = await database.execute(statement, {**parameters, "batch": batch})
        except StatementTimeout:
            if batch == 1:
                raise
            batch = max(1, batch // 5)
            continue
        if not rows:
            return found
        found += rows


@registry.scheduled("0 2 * * *")
async def generate_daily_report(context: TaskContext) -> None:
    """Store what happened yesterday, by the calendar of SCHEDULE_TIME_ZONE."""
    today = datetime.now(ZoneInfo(context.settings.SCHEDULE_TIME_ZONE)).date()
    await store_report(context.services.database, today - timedelta(days=1), context.settings.SCHEDULE_TIME_ZONE)


async def store_report(database: Database, day: date, time_zone: str) -> None:
    """Make the report of `day`, in place of one made before."""
    await database.execute(
        """
        INSERT INTO daily_reports (day, content)
        SELECT %(day)s, jsonb_build_object(
            'turns', count(*),
            'sessions', count(DISTINCT session_id),
            'owners', count(DISTINCT owner),
            'succeeded', count(*) FILTER (WHERE status = 'succeeded'),
            'failed', count(*) FILTER (WHERE status = 'failed'),
            'cancelled', count(*) FILTER (WHERE status = 'cancelled'),
            'input_tokens', coalesce(sum(input_tokens), 0),
            'output_tokens', coalesce(sum(output_tokens), 0),
            'slowest_seconds', coalesce(round(max(extract(epoch FROM finished_at - started_at)), 3), 0)
        )
        FROM turns
        WHERE created_at >= %(day)s::timestamp AT TIME ZONE %(zone)s
          AND created_at < (%(day)s::timestamp + interval '1 day') AT TIME ZONE %(zone)s
        ON CONFLICT (day) DO UPDATE SET content = excluded.content, created_at = now()
        """,
        {"day": day, "zone": time_zone},
    )
    log.info("the daily report is stored", day=day.isoformat())
