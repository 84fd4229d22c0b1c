"""Shared by the commands: settings, the database, progress reports and errors. Imports stay light for `--help`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ..extensions import CommandFailed, open_database

if TYPE_CHECKING:
    from ..config import AdminSettings

__all__ = ["CommandFailed", "DatabaseUnreachable", "check_owner", "open_database", "progress_printer", "run"]
Result = TypeVar("Result")


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
