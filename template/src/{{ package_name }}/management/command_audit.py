"""Commands of administrators in the audit log: each that used the database leaves one entry.

A command that changes or hands out what is somebody's says itself what it did, to what (`record_act`); of any other its
arguments are kept, and how it ended.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..services.interfaces import Executor

# They change nothing that is anybody's, and most of them run without a database.
NOT_KEPT = frozenset({"config", "dev", "doctor", "migrations", "openapi", "rules", "sync", "template"})

_acts: ContextVar[list[str]] = ContextVar("acts")  # what the command that runs has recorded itself
_unreachable: ContextVar[bool] = ContextVar("unreachable", default=False)


def begin() -> None:
    """A command begins, and has recorded nothing."""
    _acts.set([])
    _unreachable.set(False)


def note_unreachable() -> None:
    """The command failed for want of a database: recording that would wait for the same database again."""
    _unreachable.set(True)


async def record_act(executor: Executor, action: str, object_: str | None, **detail: Any) -> None:
    """Record what the command does: with the doing of it, where `executor` is a transaction."""
    from ..security.audit import Entry, record

    await record(executor, Entry(_actor(), action, object_, detail={**detail, "arguments": sys.argv[1:]}))
    _acts.get([]).append(action)


def keep(arguments: Sequence[str], exit_code: int) -> None:
    """Record a command that was run. Where that cannot be, say so on standard error: the command itself is done."""
    told = bool(_acts.get([]))
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words or words[0] in NOT_KEPT or exit_code == 2 or {"--help", "--version"} & set(arguments):
        return
    if (told and exit_code == 0) or _unreachable.get():
        return
    from ..services.interfaces import ServiceUnavailable
    from .base import CommandFailed, run

    try:
        run(_record(words[0], list(arguments), "done" if exit_code == 0 else "failed"))
    except (ServiceUnavailable, CommandFailed) as error:
        if exit_code == 0:
            print(f"This command is not in the audit log: {error}", file=sys.stderr)


async def _record(name: str, arguments: list[str], outcome: str) -> None:
    from ..security.audit import Entry, record
    from .base import open_database

    entry = Entry(_actor(), f"command.{name}", None, outcome, {"arguments": arguments})
    async with open_database() as database:
        if await database.fetch_value("SELECT to_regclass('audit_log')::text") is not None:
            await record(database, entry)


def _actor() -> str:
    return f"command line ({_user()})"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return "unknown"
