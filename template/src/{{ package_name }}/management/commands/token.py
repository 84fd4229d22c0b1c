"""`token issue`: a bearer token for a person or a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ...services.interfaces import Executor

app = typer.Typer(help="Issue tokens.", no_args_is_help=True)


@app.command()
def issue(
    subject: Annotated[str, typer.Argument(help="Who the token is for: it owns the conversations it begins.")],
    name: Annotated[str | None, typer.Option(help="Their name for people; the subject when not given.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="user, admin or metrics; may be given again.")] = None,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, max=5_256_000, help="How long it is valid; JWT_EXPIRE_MINUTES when not given."),
    ] = None,
) -> None:
    """Make SUBJECT a user, if they are not one yet, and print a token alone on standard output."""
    from ...config import Settings, load
    from ...security.tokens import Scope, issue_token
    from ..base import CommandFailed, check_owner, run

    check_owner(subject)
    scopes = scope or [Scope.USER]
    if unknown := [word for word in scopes if word not in list(Scope)]:
        raise CommandFailed(f"There is no scope {unknown[0]!r}: use {', '.join(Scope)}.")
    settings = load(Settings)
    if settings.JWKS_URL:
        raise CommandFailed("Tokens come from the provider of JWKS_URL: for a machine, use `key create`.")
    token = issue_token(settings, subject, minutes, scopes)

    async def keep() -> None:
        from ..base import open_database
        from ..command_audit import record_act

        async with open_database() as database, database.transaction() as transaction:
            await upsert(transaction, subject, name)
            words = [str(word) for word in scopes]
            lifetime = minutes or settings.JWT_EXPIRE_MINUTES
            await record_act(transaction, "issue.token", subject, scopes=words, minutes=lifetime)

    run(keep())
    print(token)


async def upsert(executor: Executor, subject: str, name: str | None) -> None:
    """Make them a user, or give the user that they are another name."""
    await executor.execute(
        """
        INSERT INTO users (subject, name) VALUES (%(subject)s, coalesce(%(name)s, %(subject)s))
        ON CONFLICT (subject) DO UPDATE SET name = coalesce(%(name)s, users.name)
        """,
        {"subject": subject, "name": name},
    )
