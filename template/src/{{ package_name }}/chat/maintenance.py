"""Deletes old data, stores a daily report, and counts live turns (rules 8.1 and 12.1)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, LiteralString
from zoneinfo import ZoneInfo

import structlog

from ..extensions import TaskContext, TaskRegistry
from ..security import audit
from ..services.interfaces import StatementTimeout
from .models import Status
from .turn_store import IDEMPOTENCY_KEY_HOURS

if TYPE_CHECKING:
    from ..services.interfaces import Executor

log = structlog.get_logger()
registry = TaskRegistry()

BATCH = 500
SESSIONS = 20  # per batch: their turns and steps are deleted with them
TICK_DAYS = 7
UNSENT_FILE_HOURS = 24  # after which a file that no message has is deleted
# For the synchronous connection of `doctor`.
COUNT_QUEUED_FOR: Final = (
    "SELECT count(*) FROM turns WHERE status = 'queued' AND queued_at < now() - make_interval(secs => %s)"
)


@registry.scheduled("0 * * * *")
async def cleanup_old_data(context: TaskContext) -> None:
    """Delete sessions unused for SESSION_RETENTION_DAYS and other old data, in short batches."""
    database, days = context.services.database, context.settings.SESSION_RETENTION_DAYS
    sessions = await _in_batches(
        database,
        """
        -- an array, since the planner may read all sessions to join a subquery
        DELETE FROM chat_sessions WHERE id = ANY (ARRAY(
            SELECT id FROM chat_sessions s WHERE updated_at < now() - make_interval(days => %(days)s)
            AND NOT EXISTS (
                SELECT FROM turns t WHERE t.session_id = s.id
                AND t.status IN ('queued', 'running', 'waiting_for_approval'))
            ORDER BY updated_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ))
        """,
        {"days": days},
        SESSIONS,
    )
    expired = await _in_batches(
        database,
        """
        DELETE FROM chat_sessions WHERE id = ANY (ARRAY(
            SELECT id FROM chat_sessions s WHERE expires_at < now()
            AND NOT EXISTS (
                SELECT FROM turns t WHERE t.session_id = s.id
                AND t.status IN ('queued', 'running', 'waiting_for_approval'))
            ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ))
        """,
        {},
        SESSIONS,
    )
    files = await _in_batches(
        database,
        """
        DELETE FROM files WHERE id = ANY (ARRAY(
            SELECT id FROM files WHERE session_id IS NULL AND created_at < now() - make_interval(hours => %(hours)s)
            ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
        ))
        """,
        {"hours": UNSENT_FILE_HOURS},
        SESSIONS,
    )
    await _in_batches(
        database,
        """
        UPDATE files SET idempotency_key = NULL WHERE id = ANY (ARRAY(
            SELECT id FROM files
            WHERE idempotency_key IS NOT NULL AND created_at < now() - make_interval(hours => %(hours)s)
            ORDER BY created_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
        ))
        """,
        {"hours": IDEMPOTENCY_KEY_HOURS},
        BATCH,
    )
    keys = await _in_batches(
        database,
        """
        UPDATE turns SET idempotency_key = NULL, request_digest = NULL WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM turns
            WHERE idempotency_key IS NOT NULL AND created_at < now() - make_interval(hours => %(hours)s)
            ORDER BY created_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
        ))
        """,
        {"hours": IDEMPOTENCY_KEY_HOURS},
        BATCH,
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
        "DELETE FROM owner_usage WHERE day < (now() AT TIME ZONE 'UTC')::date - %(days)s", {"days": days}
    )
    sessions += expired
    if sessions or files or entries:
        deleted = {"sessions": sessions, "files": files, "audit_entries": entries}
        await audit.record(database, audit.Entry("scheduler", "delete.expired", None, detail=deleted))
    log.info("old_data_deleted", sessions=sessions, files=files, idempotency_keys=keys, audit_entries=entries)


async def _in_batches(executor: Executor, statement: LiteralString, parameters: dict[str, Any], limit: int) -> int:
    """Repeat the statement until it finds nothing, with smaller limits after a timeout; returns the total."""
    total = 0
    while True:
        try:
            changed = await executor.execute(statement, {**parameters, "limit": limit})
        except StatementTimeout:
            if limit == 1:
                raise
            limit = max(1, limit // 5)
            continue
        if not changed:
            return total
        total += changed


@registry.scheduled("0 2 * * *")
async def generate_daily_report(context: TaskContext) -> None:
    """Store the report of yesterday, in SCHEDULE_TIME_ZONE; it replaces an earlier one of that day."""
    zone = context.settings.SCHEDULE_TIME_ZONE
    yesterday = datetime.now(ZoneInfo(zone)).date() - timedelta(days=1)
    await context.services.database.execute(
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
        {"day": yesterday, "zone": zone},
    )
    log.info("daily_report_stored", day=yesterday.isoformat())


async def count_live_turns(executor: Executor) -> dict[str, tuple[int, float]]:
    """Return the number of unfinished turns by status, and the seconds since the oldest of their messages."""
    rows = await executor.fetch_all(
        dict[str, Any],
        """
        SELECT status, count(live.status)::int AS count,
               coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS oldest
        FROM unnest(%(live)s::text[]) AS status LEFT JOIN (
            -- the condition of a partial index: finished turns are not read
            SELECT status, created_at FROM turns
            WHERE status IN ('queued', 'running', 'waiting_for_approval')
        ) AS live USING (status) GROUP BY status
        """,
        {"live": [status for status in Status if not status.is_final]},
    )
    return {row["status"]: (row["count"], row["oldest"]) for row in rows}
