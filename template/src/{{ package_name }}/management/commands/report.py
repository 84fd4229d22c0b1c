"""`report`: prints the daily report that a scheduled job stores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any

import typer

from ..base import CommandFailed, open_database, run


def report(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day of the report; the latest by default.")
    ] = None,
) -> None:
    """Print a daily report. The scheduler stores one for each day."""
    stored = run(_stored(day.date() if day else None))
    if stored is None:
        which = f"of {day:%Y-%m-%d}" if day else "yet"
        raise CommandFailed(f"There is no report {which}: a running scheduler and worker store one every day at 02:00.")
    print(f"Report of {stored.day:%A, %Y-%m-%d}\n")
    width = max(len(key) for key in stored.content)
    for key, value in stored.content.items():
        print(f"{key.replace('_', ' ').capitalize():<{width}}  {_number(value):>14}")


@dataclass(frozen=True, slots=True)
class StoredReport:
    day: date
    content: dict[str, Any]


async def _stored(day: date | None) -> StoredReport | None:
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
