"""`report`: the daily report that a scheduled job stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import typer


def report(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day reported on; the latest when not given.")
    ] = None,
) -> None:
    """Print a daily report: the scheduler has one stored for each day."""
    from ..base import CommandFailed, run

    stored = run(_stored(day.date() if day else None))
    if stored is None:
        about = f"of {day:%Y-%m-%d}" if day else "yet"
        raise CommandFailed(f"There is no report {about}: a running scheduler and worker store one every day at 02:00.")
    print(f"Report of {stored.day:%A, %Y-%m-%d}\n")
    width = max(len(key) for key in stored.content)
    for key, value in stored.content.items():
        print(f"{key.replace('_', ' ').capitalize():<{width}}  {_number(value):>14}")


@dataclass(frozen=True, slots=True)
class StoredReport:
    day: date
    content: dict[str, Any]


async def _stored(day: date | None) -> StoredReport | None:
    from ..base import open_database

    async with open_database() as database:
        return await database.fetch_one(
            StoredReport,
            """
            SELECT day, content FROM daily_reports WHERE %(day)s::date IS NULL OR day = %(day)s
            ORDER BY day DESC LIMIT 1
            """,
            {"day": day},
        )


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)
