"""Records commands that used the database in the audit log, one entry each.

A command that changes or hands out an owner's data records its own action (`record_action`); for any other,
`record_command` keeps the arguments and the outcome.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .base import CommandFailed, open_database, run

if TYPE_CHECKING:
    from ..services.interfaces import Executor

# These change nobody's data, and most of them run without a database.
NOT_RECORDED = frozenset({"config", "dev", "doctor", "migrations", "openapi", "rules", "sync", "template"})

# A list, since the coroutines of a command run in a copy of its context.
_recorded: ContextVar[list[str]] = ContextVar("recorded")
_is_unreachable: ContextVar[bool] = ContextVar("is_unreachable", default=False)


def start_command() -> None:
    """Forget the state of the previous command: tests run many in one process."""
    _recorded.set([])
    _is_unreachable.set(False)


def note_unreachable() -> None:
    """Skip the record of this command: it would wait for the same unreachable database again."""
    _is_unreachable.set(True)


async def record_action(executor: Executor, action: str, object_: str | None, **detail: Any) -> None:
    """Record the action of this command; in the same transaction as the action if `executor` is one."""
    from ..security.audit import Entry, record

    await record(executor, Entry(_actor(), action, object_, detail={**detail, "arguments": sys.argv[1:]}))
    _recorded.get([]).append(action)


def record_command(arguments: Sequence[str], exit_code: int) -> None:
    """Record a command that has ended. Prints a warning to standard error where that fails: the command is done."""
    words = [argument for argument in arguments if not argument.startswith("-")]
    if not words or words[0] in NOT_RECORDED or exit_code == 2 or {"--help", "--version"} & set(arguments):
        return
    if (_recorded.get([]) and exit_code == 0) or _is_unreachable.get():
        return
    from ..services.interfaces import ServiceUnavailable

    try:
        run(_record(words[0], list(arguments), "done" if exit_code == 0 else "failed"))
    except (ServiceUnavailable, CommandFailed) as error:
        if exit_code == 0:
            print(f"This command is not in the audit log: {error}", file=sys.stderr)


async def _record(name: str, arguments: list[str], outcome: str) -> None:
    from ..security.audit import Entry, record

    entry = Entry(_actor(), f"command.{name}", None, outcome, {"arguments": arguments})
    async with open_database() as database:
        if await database.fetch_value("SELECT to_regclass('audit_log')::text") is not None:
            await record(database, entry)


def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = "unknown"
    return f"command line ({user})"
