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
from .base import CommandFailed, DatabaseUnreachable, HelpGroup, record_command, start_command
from .commands import chat, checks, data, migrate, owners, reports, seed, smoke

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
app.command(rich_help_panel=RUN)(chat.chat)
app.command(rich_help_panel=RUN)(checks.doctor)
app.command(rich_help_panel=RUN)(smoke.smoke)
app.command(rich_help_panel=DATABASE)(migrate.migrate)
app.add_typer(migrate.app, name="migrations", cls=HelpGroup, rich_help_panel=DATABASE)
app.command(rich_help_panel=DATABASE)(seed.seed)
app.command("export", rich_help_panel=CONVERSATIONS)(data.export_conversations)
app.command("import", rich_help_panel=CONVERSATIONS)(data.import_conversations)
app.command(rich_help_panel=CONVERSATIONS)(data.erase)
app.add_typer(owners.tokens, name="token", cls=HelpGroup, rich_help_panel=CONVERSATIONS)
app.add_typer(owners.keys, name="key", cls=HelpGroup, rich_help_panel=CONVERSATIONS)
app.add_typer(owners.budgets, name="budget", cls=HelpGroup, rich_help_panel=CONVERSATIONS)
app.command(rich_help_panel=CONVERSATIONS)(reports.audit)
app.command(rich_help_panel=CONVERSATIONS)(reports.report)
app.add_typer(checks.config, name="config", cls=HelpGroup, rich_help_panel=CONFIGURATION)
app.add_typer(agent_app)


def main() -> None:
    """Run the command that the arguments name. Only a bug prints a traceback."""
    exit_code, is_reachable = 1, True
    atexit.register(gc.freeze)  # a last collection would take longer than many commands
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # the command itself reports the failure
    start_command()
    try:
        exit_code, is_reachable = _run()
    finally:
        if is_reachable:  # else the record would wait for the same database again
            record_command(sys.argv[1:], exit_code)
    sys.exit(exit_code)


def _run() -> tuple[int, bool]:
    """Return the exit code, and whether the database may be reachable. Prints the lines that explain an error."""
    try:
        app(prog_name=SLUG)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None), True
    except Exception as error:
        from ..config import ConfigurationError
        from ..services.interfaces import ServiceUnavailable, StatementTimeout

        exit_code, is_reachable = 1, not isinstance(error, DatabaseUnreachable)
        match error:
            case ConfigurationError():
                exit_code, lines = 2, error.problems
            case CommandFailed():
                lines = [str(error)]
            case ServiceUnavailable():
                is_reachable = error.service != "database" or isinstance(error, StatementTimeout)
                reason = error.reason or f"run `{SLUG} doctor` for details"
                lines = [f"The {error.service.replace('_', ' ')} is unavailable: {reason}."]
            case _:
                raise
        print(*lines, sep="\n", file=sys.stderr)
        return exit_code, is_reachable
    return 0, True


if __name__ == "__main__":
    main()
