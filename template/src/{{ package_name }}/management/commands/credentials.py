"""`token issue`, `key create`, `key list` and `key revoke`: tokens for people, API keys for machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ..base import CommandFailed, check_owner, open_database, run
from ..command_audit import record_action

if TYPE_CHECKING:
    from ...services.interfaces import Executor

tokens = typer.Typer(help="Issue tokens.", no_args_is_help=True)
keys = typer.Typer(help="API keys for machines.", no_args_is_help=True)

Scopes = Annotated[list[str] | None, typer.Option("--scope", help="user, admin or metrics; may be repeated.")]


@tokens.command()
def issue(
    subject: Annotated[str, typer.Argument(help="The user of the token, who owns the conversations it starts.")],
    name: Annotated[str | None, typer.Option(help="Their display name; the subject by default.")] = None,
    scope: Scopes = None,
    minutes: Annotated[
        int | None, typer.Option(min=1, max=5_256_000, help="Lifetime; JWT_EXPIRE_MINUTES by default.")
    ] = None,
) -> None:
    """Create the user SUBJECT, if new, and print a token alone on standard output."""
    from ...config import Settings, load
    from ...security.tokens import issue_token

    check_owner(subject)
    scopes = _checked(scope)
    settings = load(Settings)
    if settings.JWKS_URL:
        raise CommandFailed("The provider of JWKS_URL issues the tokens: for a machine, use `key create`.")
    token = issue_token(settings, subject, minutes, scopes)

    async def save() -> None:
        async with open_database() as database, database.transaction() as transaction:
            await save_user(transaction, subject, name)
            lifetime = minutes or settings.JWT_EXPIRE_MINUTES
            await record_action(transaction, "issue.token", subject, scopes=scopes, minutes=lifetime)

    run(save())
    print(token)


async def save_user(executor: Executor, subject: str, name: str | None) -> None:
    """Create a user, or rename an existing one if `name` is given."""
    await executor.execute(
        """
        INSERT INTO users (subject, name) VALUES (%(subject)s, coalesce(%(name)s, %(subject)s))
        ON CONFLICT (subject) DO UPDATE SET name = coalesce(%(name)s, users.name)
        """,
        {"subject": subject, "name": name},
    )


def _checked(scopes: list[str] | None) -> list[str]:
    from ...security.tokens import Scope

    if unknown := [scope for scope in scopes or () if scope not in list(Scope)]:
        raise CommandFailed(f"There is no scope {unknown[0]!r}: use {', '.join(Scope)}.")
    return [str(scope) for scope in scopes or [Scope.USER]]


@keys.command()
def create(
    owner: Annotated[str, typer.Argument(help="The owner of the key and of the conversations it starts.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "",
    scope: Scopes = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Lifetime; unlimited by default.")] = None,
) -> None:
    """Create a key and print it alone on standard output. It cannot be shown again."""
    scopes = _checked(scope)
    check_owner(owner)
    _, key = run(create_key(owner, name, scopes, datetime.now(UTC) + timedelta(days=days) if days else None))
    print(key)


async def create_key(owner: str, name: str, scopes: list[str], expires_at: datetime | None) -> tuple[str, str]:
    """Create a key and record that in the audit log; returns its id and the key."""
    from ...security import api_keys

    async with open_database() as database, database.transaction() as transaction:
        key_id, key = await api_keys.create(transaction, owner, name, scopes, expires_at)
        await record_action(transaction, "create.key", key_id, owner=owner, scopes=scopes)
    return key_id, key


@keys.command("list")
def list_keys(owner: Annotated[str | None, typer.Option(help="Only the keys of this owner.")] = None) -> None:
    """List keys, the oldest first, without their secrets."""
    from ...security import api_keys

    async def find() -> list[api_keys.ApiKey]:
        async with open_database() as database:
            return await api_keys.find_all(database, owner)

    found = run(find())
    print(f"{'id':<16}  {'created':<16}  {'expires':<16}  {'revoked':<16}  {'last used':<16}  scopes, owner, name")
    for key in found:
        times = (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)
        columns = [f"{time:%Y-%m-%d %H:%M}" if time else f"{'-':<16}" for time in times]
        print("  ".join([key.id, *columns, ",".join(key.scopes), key.owner, key.name]).rstrip())


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As printed by `key list`.")]) -> None:
    """Revoke a key; every process refuses it within ten seconds."""
    if run(revoke_key(key_id)) is None:
        raise CommandFailed(f"There is no valid key {key_id}: `key list` prints the existing ones.")


async def revoke_key(key_id: str) -> str | None:
    """Revoke a key and record that in the audit log; returns its owner, or `None` if there is no such valid key."""
    from ...security import api_keys

    async with open_database() as database, database.transaction() as transaction:
        owner = await api_keys.revoke(transaction, key_id)
        if owner is not None:
            await record_action(transaction, "revoke.key", key_id, owner=owner)
    return owner
