"""Shared by the commands: settings, the database, progress reports and errors. Imports stay light for `--help`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..constants import SLUG

if TYPE_CHECKING:
    from ..config import AdminSettings
    from ..services.interfaces import Database

Result = TypeVar("Result")


class CommandFailed(Exception):
    """A command cannot do what was asked. The message says what is wrong and what to do."""


class DatabaseUnreachable(CommandFailed):
    """No connection to the database is available."""


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run the asynchronous part of a command."""
    import asyncio

    return asyncio.run(coroutine)


def progress_printer(settings: AdminSettings, command: str) -> Callable[[str], None]:
    """Return the function that reports progress: log lines where LOG_FORMAT=json is set, else plain text."""
    if settings.LOG_FORMAT != "json" or "LOG_FORMAT" not in settings.model_fields_set:
        return print
    import structlog

    from ..observability.logging import configure_logging

    configure_logging(settings, command)
    log = structlog.get_logger(command)
    return lambda text: log.info("progress", detail=" ".join(text.split()))


def check_owner(owner: str) -> None:
    """Raises `CommandFailed` for a name that no token or key can have."""
    from ..security.tokens import MAX_SUBJECT

    if not owner.strip() or len(owner) > MAX_SUBJECT or not owner.isprintable():
        raise CommandFailed(f"{owner!r} is no valid owner: give 1 to {MAX_SUBJECT} printable characters.")


@asynccontextmanager
async def open_database(settings: AdminSettings | None = None) -> AsyncIterator[Database]:
    """Open the migrated database and no other service, so that a command needs no secret that it does not use.

    Raises `ConfigurationError`, `ServiceUnavailable`, and `CommandFailed` if `migrate` has never run.
    """
    from ..config import AdminSettings, load
    from ..services.implementations.postgres import PostgresDatabase

    database = PostgresDatabase(settings or load(AdminSettings), patient=False)
    try:
        await database.open()
        if await database.fetch_value("SELECT to_regclass('chat_sessions')::text") is None:
            raise CommandFailed(f"The database holds no tables yet: run `{SLUG} migrate` first.")
        yield database
    finally:
        await database.close()
