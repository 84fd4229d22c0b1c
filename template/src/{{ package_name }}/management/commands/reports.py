"""`audit` and `report`: print the audit log, and the daily report that a scheduled job stores."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from ..base import CommandFailed, with_database


def audit(
    actor: Annotated[str | None, typer.Option(help="Only actions of this user, key or administrator.")] = None,
    action: Annotated[
        str | None,
        typer.Option(
            help="login, decide.approval, delete.session, delete.expired, change.budget, create.key, revoke.key, "
            "issue.token, export.data, command, or a prefix."
        ),
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day on, in UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Only the latest entries.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for programs.")] = False,
) -> None:
    """Print the audit log, the oldest entry first."""
    import json
    from dataclasses import asdict

    from ...security.audit import find

    begin = since.replace(tzinfo=UTC) if since else None
    for entry in with_database(lambda database: find(database, actor=actor, action=action, since=begin, limit=limit)):
        if as_json:
            print(json.dumps({**asdict(entry), "at": entry.at.isoformat()}))
            continue
        detail = " ".join(f"{name}={value}" for name, value in entry.detail.items())
        line = (
            f"{entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor}  {entry.action}  {entry.object or '-'}  {entry.outcome}  "
            f"{entry.address or '-'}  {entry.request_id or '-'}  {detail}".rstrip()
        )
        # Escaped, so that a name with a line break cannot forge an entry.
        print("".join(char if char.isprintable() else ascii(char)[1:-1] for char in line))


@dataclass(frozen=True, slots=True)
class StoredReport:
    day: date
    content: dict[str, Any]


def report(
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day of the report; the latest by default.")
    ] = None,
) -> None:
    """Print a daily report. The scheduler stores one for each day."""
    query = """
        SELECT day, content FROM daily_reports WHERE %(day)s::date IS NULL OR day = %(day)s ORDER BY day DESC LIMIT 1
    """
    stored = with_database(lambda database: database.fetch_one(StoredReport, query, {"day": day and day.date()}))
    if stored is None:
        which = f"of {day:%Y-%m-%d}" if day else "yet"
        raise CommandFailed(f"There is no report {which}: a running scheduler and worker store one every day at 02:00.")
    print(f"Report of {stored.day:%A, %Y-%m-%d}\n")
    width = max(len(key) for key in stored.content)
    for key, value in stored.content.items():
        print(f"{key.replace('_', ' ').capitalize():<{width}}  {_number(value):>14}")


def _number(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)
