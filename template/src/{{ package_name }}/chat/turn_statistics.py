"""Counts turns: for metrics, for `doctor`, and for the daily report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

from .models import Status

if TYPE_CHECKING:
    from ..services.interfaces import Executor

# For the synchronous connection of `doctor`.
COUNT_QUEUED_FOR: Final = (
    "SELECT count(*) FROM turns WHERE status = 'queued' AND queued_at < now() - make_interval(secs => %s)"
)


@dataclass(frozen=True, slots=True)
class _LiveTurns:
    status: str
    count: int
    oldest: float


async def count_live_turns(executor: Executor) -> dict[str, tuple[int, float]]:
    """The number of unfinished turns by status, and the seconds since the oldest of their messages."""
    rows = await executor.fetch_all(
        _LiveTurns,
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
    return {row.status: (row.count, row.oldest) for row in rows}


async def store_daily_report(executor: Executor, day: date, time_zone: str) -> None:
    """Summarise the turns of `day`; replaces an earlier report of that day."""
    await executor.execute(
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
