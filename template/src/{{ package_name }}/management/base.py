"""What the commands share: the settings they load, the database they open, and failures told in a sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..config import AdminSettings, load
from ..constants import SLUG

if TYPE_CHECKING:
    from ..services.interfaces import Database

Result = TypeVar("Result")


class CommandFailed(Exception):
    """A command cannot do what was asked. The message is for people: what is wrong, and what to do about it."""


class DatabaseUnreachable(CommandFailed):
    """There is no connection to the database to be had."""


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run the asynchronous part of a command to its end."""
    return asyncio.run(coroutine)


def voice(settings: AdminSettings, command: str) -> Callable[[str], None]:
    """How a job of a platform reports its progress: lines of the log where LOG_FORMAT=json is set, else plain text."""
    if settings.LOG_FORMAT != "json" or "LOG_FORMAT" not in settings.model_fields_set:
        return print
    import structlog

    from ..observability.logging import configure_logging

    configure_logging(settings, command)
    log = structlog.get_logger(command)

    def say(text: str) -> None:
        log.info(" ".join(text.split()))

    return say


def check_owner(owner: str) -> None:
    """Raises `CommandFailed` for what is nobody's name: no token or key can bear it."""
    from ..security.tokens import MAX_SUBJECT

    if not owner.strip() or len(owner) > MAX_SUBJECT or not owner.isprintable():
        raise CommandFailed(f"{owner!r} is nobody: give 1 to {MAX_SUBJECT} printable characters.")


@asynccontextmanager
async def open_database(settings: AdminSettings | None = None) -> AsyncIterator[Database]:
    """The migrated database, with no other service: a command asks for no secret that it does not use.

    Raises `ConfigurationError`, `ServiceUnavailable`, and `CommandFailed` when `migrate` was never run.
    """
    from ..services.implementations.postgres import PostgresDatabase

    database = PostgresDatabase(settings or load(AdminSettings), patient=False)
    try:
        await database.open()
        if await database.fetch_value("SELECT to_regclass('chat_sessions')::text") is None:
            raise CommandFailed(f"The database holds no tables yet: run `{SLUG} migrate` first.")
        yield database
    finally:
        await database.close()
