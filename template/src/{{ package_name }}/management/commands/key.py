"""`key create`, `key list`, `key revoke`: API keys for machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(help="API keys for machines.", no_args_is_help=True)

NEVER = "-"


@app.command()
def create(
    owner: Annotated[str, typer.Argument(help="Whose key: it owns the conversations that are begun with it.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="user, admin or metrics; may be given again.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="How long it is valid; for ever when not given.")
    ] = None,
) -> None:
    """Make a key and print it alone on standard output: it is shown this once."""
    from ...security.tokens import Scope
    from ..base import CommandFailed, check_owner, run

    scopes = scope or [Scope.USER]
    if unknown := [word for word in scopes if word not in list(Scope)]:
        raise CommandFailed(f"There is no scope {unknown[0]!r}: use {', '.join(Scope)}.")
    check_owner(owner)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    _, key = run(make_key(owner, name, scopes, expires_at))
    print(key)


async def make_key(owner: str, name: str, scopes: Iterable[str], expires_at: datetime | None) -> tuple[str, str]:
    """Make a key and keep in the audit log that it was made; returns its id and the key."""
    from ...security import api_keys
    from ..base import open_database
    from ..command_audit import record_act

    words = [str(word) for word in scopes]
    async with open_database() as database, database.transaction() as transaction:
        key_id, key = await api_keys.create(transaction, owner, name, words, expires_at)
        await record_act(transaction, "create.key", key_id, owner=owner, scopes=words)
    return key_id, key


@app.command("list")
def list_keys(
    owner: Annotated[str | None, typer.Option(help="Whose keys; everybody's when not given.")] = None,
) -> None:
    """Print the keys there are, the oldest first; never the secrets in them."""
    from ...security import api_keys
    from ..base import open_database, run

    async def find() -> list[api_keys.ApiKey]:
        async with open_database() as database:
            return await api_keys.find_all(database, owner)

    def day(moment: datetime | None) -> str:
        return f"{moment:%Y-%m-%d %H:%M}" if moment else NEVER

    found = run(find())
    print(f"{'id':<16}  {'created':<16}  {'expires':<16}  {'revoked':<16}  {'last used':<16}  scopes, owner, name")
    for key in found:
        times = "  ".join(
            f"{day(moment):<16}" for moment in (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)
        )
        print(f"{key.id}  {times}  {','.join(key.scopes)}  {key.owner}  {key.name}".rstrip())


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")]) -> None:
    """Have a key refused from now on, in ten seconds at the latest."""
    from ..base import CommandFailed, run

    if run(end_key(key_id)) is None:
        raise CommandFailed(f"There is no valid key {key_id}: `key list` shows those there are.")


async def end_key(key_id: str) -> str | None:
    """Revoke a key and keep that in the audit log; returns its owner, or `None` for no valid key."""
    from ...security import api_keys
    from ..base import open_database
    from ..command_audit import record_act

    async with open_database() as database, database.transaction() as transaction:
        owner = await api_keys.revoke(transaction, key_id)
        if owner is not None:
            await record_act(transaction, "revoke.key", key_id, owner=owner)
    return owner
