"""`audit`: who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer


def audit(
    actor: Annotated[str | None, typer.Option(help="What one user, key or administrator did.")] = None,
    action: Annotated[
        str | None,
        typer.Option(
            help="login, decide.approval, delete.session, delete.expired, change.budget, create.key, revoke.key, "
            "issue.token, export.data, command, or the beginning of one."
        ),
    ] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on, in UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The latest so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line, for programs.")] = False,
) -> None:
    """Print the audit log, the oldest entry first."""
    import json
    from dataclasses import asdict

    from ...security.audit import StoredEntry, find
    from ..base import open_database, run

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
        # Who names themselves with a line break must not make an entry of it.
        print("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line))
