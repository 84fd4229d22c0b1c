"""`token`, `key` and `budget`: tokens for people, API keys for machines, and the daily budget of either."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ..base import CommandFailed, check_owner, in_transaction, record_action, with_database

if TYPE_CHECKING:
    from ...services.interfaces import Executor

tokens = typer.Typer(help="Issue tokens.", no_args_is_help=True)
keys = typer.Typer(help="API keys for machines.", no_args_is_help=True)
budgets = typer.Typer(help="Budgets of owners.", no_args_is_help=True)

Scopes = Annotated[list[str] | None, typer.Option("--scope", help="user, admin or metrics; may be repeated.")]
BudgetOwner = Annotated[str, typer.Argument(help="The `sub` of the owner's tokens.")]


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

    async def save(transaction: Executor) -> None:
        await save_user(transaction, subject, name)
        lifetime = minutes or settings.JWT_EXPIRE_MINUTES
        await record_action(transaction, "issue.token", subject, scopes=scopes, minutes=lifetime)

    in_transaction(save)
    print(token)


async def save_user(executor: Executor, subject: str, name: str | None = None) -> None:
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
    print(create_key(owner, name, scopes, datetime.now(UTC) + timedelta(days=days) if days else None)[1])


def create_key(owner: str, name: str, scopes: list[str], expires_at: datetime | None) -> tuple[str, str]:
    """Create a key and record that in the audit log; returns its id and the key."""
    from ...security import api_keys

    async def save(transaction: Executor) -> tuple[str, str]:
        key_id, key = await api_keys.create(transaction, owner, name, scopes, expires_at)
        await record_action(transaction, "create.key", key_id, owner=owner, scopes=scopes)
        return key_id, key

    return in_transaction(save)


@keys.command("list")
def list_keys(owner: Annotated[str | None, typer.Option(help="Only the keys of this owner.")] = None) -> None:
    """List keys, the oldest first, without their secrets."""
    from ...security import api_keys

    found = with_database(lambda database: api_keys.find_all(database, owner))
    print(f"{'id':<16}  {'created':<16}  {'expires':<16}  {'revoked':<16}  {'last used':<16}  scopes, owner, name")
    for key in found:
        times = (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)
        columns = [f"{time:%Y-%m-%d %H:%M}" if time else f"{'-':<16}" for time in times]
        print("  ".join([key.id, *columns, ",".join(key.scopes), key.owner, key.name]).rstrip())


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="As printed by `key list`.")]) -> None:
    """Revoke a key; every process refuses it within ten seconds."""
    from ...security import api_keys

    async def save(transaction: Executor) -> None:
        owner = await api_keys.revoke(transaction, key_id)
        if owner is None:
            raise CommandFailed(f"There is no valid key {key_id}: `key list` prints the existing ones.")
        await record_action(transaction, "revoke.key", key_id, owner=owner)

    in_transaction(save)


@budgets.command("show")
def show_budget(owner: BudgetOwner) -> None:
    """Print an owner's usage of today and their limits."""
    from ...chat.budgets import find_spending
    from ...config import Settings, load

    settings = load(Settings)
    spending = with_database(lambda database: find_spending(database, settings, owner), settings)
    tokens = "no limit" if spending.tokens_per_day is None else f"{spending.tokens_per_day:,}"
    usd = "no limit" if spending.usd_per_day is None else f"{spending.usd_per_day:,.2f}"
    print(f"Tokens today  {spending.tokens:,} of {tokens}")
    print(f"US$ today     {spending.usd:,.4f} of {usd}")


@budgets.command("set")
def set_budget(
    owner: BudgetOwner,
    tokens: Annotated[int | None, typer.Option(min=0, max=10**15, help="Tokens per day; 0 for no limit.")] = None,
    usd: Annotated[float | None, typer.Option(min=0, help="US dollars per day; 0 for no limit.")] = None,
) -> None:
    """Set an owner's own budgets. An omitted one returns to that of the settings."""
    from ...chat import budgets

    check_owner(owner)
    if usd is not None and not math.isfinite(usd):
        raise CommandFailed("--usd needs a finite number, or 0 for no limit.")

    async def save(transaction: Executor) -> None:
        await budgets.set_budget(transaction, owner, tokens, usd)
        await record_action(transaction, "change.budget", owner, tokens_per_day=tokens, usd_per_day=usd)

    in_transaction(save)
    show_budget(owner)
