"""Shared by the commands: the database, the audit log, progress reports, errors and `--help`.

Imports stay light for `--help`, so expensive ones are inside the functions, as in each command.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from typer.core import TyperGroup

from ..extensions import CommandFailed, open_database

if TYPE_CHECKING:
    from ..config import AdminSettings
    from ..services.interfaces import Database, Executor

__all__ = ["CommandFailed", "open_database"]  # for the commands, besides what is defined here

# They change nobody's data, and most of them run without a database.
NOT_AUDITED = frozenset({"chat", "config", "dev", "doctor", "migrations", "openapi", "rules", "sync", "template"})

Result = TypeVar("Result")

# A list, since the coroutines of a command run in a copy of its context.
_recorded: ContextVar[list[str]] = ContextVar("recorded")


class DatabaseUnreachable(CommandFailed):
    """No connection to the database is available."""


class HelpGroup(TyperGroup):
    """Lists commands under their `rich_help_panel`, each with the first sentence of its help.

    Typer prints panels with rich, which takes longer to import than the rest of `--help`.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write one section for each panel, in the order of the commands."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        width = max(map(len, commands), default=0)
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in commands.items():
            if command and not command.hidden:
                panel = getattr(command, "rich_help_panel", None) or "Commands"
                sections.setdefault(panel, []).append((name.ljust(width), _first_sentence(command.help or "")))
        for panel, rows in sections.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".") + "." if paragraph else ""


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run the asynchronous part of a command."""
    import asyncio

    return asyncio.run(coroutine)


def with_database(work: Callable[[Database], Awaitable[Result]], settings: AdminSettings | None = None) -> Result:
    """Run `work` with the migrated database. Raises what `open_database` raises."""

    async def open_and_work() -> Result:
        async with open_database(settings) as database:
            return await work(database)

    return run(open_and_work())


def in_transaction(work: Callable[[Executor], Awaitable[Result]]) -> Result:
    """Run `work` in a transaction of the migrated database. Raises what `open_database` raises."""

    async def begin_and_work(database: Database) -> Result:
        async with database.transaction() as transaction:
            return await work(transaction)

    return with_database(begin_and_work)


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


def start_command() -> None:
    """Forget the actions of the previous command: tests run many in one process."""
    _recorded.set([])


async def record_action(executor: Executor, action: str, object_: str | None, **detail: Any) -> None:
    """Record the action of this command; in the same transaction as the action if `executor` is one."""
    from ..security.audit import Entry, record

    await record(executor, Entry(_actor(), action, object_, detail={**detail, "arguments": sys.argv[1:]}))
    _recorded.get([]).append(action)


def record_command(arguments: Sequence[str], exit_code: int) -> None:
    """Record a command that has ended, unless it recorded its own action.

    Prints a warning to standard error where that fails: the command is done.
    """
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words or words[0] in NOT_AUDITED or exit_code == 2 or {"--help", "--version"} & set(arguments):
        return
    if _recorded.get([]) and exit_code == 0:
        return
    from ..security.audit import Entry, record
    from ..services.interfaces import ServiceUnavailable

    outcome = "done" if exit_code == 0 else "failed"
    entry = Entry(_actor(), f"command.{words[0]}", None, outcome, {"arguments": list(arguments)})

    async def save(database: Database) -> None:
        if await database.fetch_value("SELECT to_regclass('audit_log')::text") is not None:
            await record(database, entry)

    try:
        with_database(save)
    except (ServiceUnavailable, CommandFailed) as error:
        if exit_code == 0:
            print(f"This command is not in the audit log: {error}", file=sys.stderr)


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = "unknown"
    return f"command line ({user})"
