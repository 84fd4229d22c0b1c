"""The admin command line (rule 12.1): one-off commands with the code and settings of the processes.

Exit codes: 0 success, 1 failure, 2 wrong usage or settings, 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from ..agent.commands import app as agent_app
from ..constants import PACKAGE, SLUG, VERSION
from . import command_audit
from .base import CommandFailed, DatabaseUnreachable
from .commands import (
    audit,
    budget,
    config,
    credentials,
    data,
    doctor,
    migrate,
    report,
    seed,
    smoke,
)
from .help import HelpGroup

RUN, DATABASE, CONVERSATIONS, CONFIGURATION = "Run", "Database", "Conversations and users", "Configuration"

app = typer.Typer(
    name=SLUG,
    cls=HelpGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(VERSION)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run, administer and check the service."""


for installed in entry_points(group=f"{PACKAGE}.commands"):  # the development tools, which no image contains
    app.add_typer(installed.load())
app.command(rich_help_panel=RUN)(doctor.doctor)
app.command(rich_help_panel=RUN)(smoke.smoke)
app.command(rich_help_panel=DATABASE)(migrate.migrate)
app.add_typer(migrate.app, name="migrations", cls=HelpGroup, rich_help_panel=DATABASE)
app.command(rich_help_panel=DATABASE)(seed.seed)
app.command("export", rich_help_panel=CONVERSATIONS)(data.export_conversations)
app.command("import", rich_help_panel=CONVERSATIONS)(data.import_conversations)
app.command(rich_help_panel=CONVERSATIONS)(data.erase)
app.add_typer(credentials.tokens, name="token", cls=HelpGroup, rich_help_panel=CONVERSATIONS)
app.add_typer(credentials.keys, name="key", cls=HelpGroup, rich_help_panel=CONVERSATIONS)
app.add_typer(budget.app, name="budget", cls=HelpGroup, rich_help_panel=CONVERSATIONS)
app.command(rich_help_panel=CONVERSATIONS)(audit.audit)
app.command(rich_help_panel=CONVERSATIONS)(report.report)
app.add_typer(config.app, name="config", cls=HelpGroup, rich_help_panel=CONFIGURATION)
app.add_typer(agent_app)


def main() -> None:
    """Run the command that the arguments name. Only a bug prints a traceback."""
    exit_code = 1
    atexit.register(gc.freeze)  # a last collection would take longer than many commands
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # the command itself reports the failure
    command_audit.start_command()
    try:
        exit_code = _run()
    finally:
        command_audit.record_command(sys.argv[1:], exit_code)
    sys.exit(exit_code)


def _run() -> int:
    try:
        app(prog_name=SLUG)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except Exception as error:
        exit_code, lines = _explain(error)
        if not lines:
            raise
        print(*lines, sep="\n", file=sys.stderr)
        return exit_code
    return 0


def _explain(error: Exception) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print; no lines for a bug."""
    from ..config import ConfigurationError
    from ..services.interfaces import ServiceUnavailable, StatementTimeout

    match error:
        case ConfigurationError():
            return 2, error.problems
        case DatabaseUnreachable():
            command_audit.note_unreachable()
            return 1, [str(error)]
        case CommandFailed():
            return 1, [str(error)]
        case ServiceUnavailable():
            if error.service == "database" and not isinstance(error, StatementTimeout):
                command_audit.note_unreachable()
            reason = error.reason or f"run `{SLUG} doctor` for details"
            return 1, [f"The {error.service.replace('_', ' ')} is unavailable: {reason}."]
        case _:
            return 1, []


if __name__ == "__main__":
    main()
