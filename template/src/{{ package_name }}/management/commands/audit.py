"""`audit`: prints the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from ..base import open_database, run


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

    from ...security.audit import StoredEntry, find

    async def read() -> list[StoredEntry]:
        begin = since.replace(tzinfo=UTC) if since else None
        async with open_database() as database:
            return await find(database, actor=actor, action=action, since=begin, limit=limit)

    for entry in run(read()):
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
