"""`migrate` and `migrations`: the schema of the database (rule 12.1). They need no other setting than DATABASE_URL."""

from __future__ import annotations

from typing import Annotated

import typer

from ..base import progress_printer

app = typer.Typer(help="Create, list and undo migrations.", no_args_is_help=True)


def migrate(
    to: Annotated[str | None, typer.Option(help="Stop at this revision, such as agent_0002 or platform@head.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List pending migrations without applying them.")] = False,
) -> None:
    """Bring the database up to date. Several processes may run this at once."""
    from ...config import AdminSettings, load
    from ..migrations import pending, upgrade

    settings = load(AdminSettings)
    report = progress_printer(settings, "migrate")
    if dry_run:
        waiting = pending(settings, to)
        for script in waiting:
            report(f"{script.revision:<16}  {script.doc}")
        report(f"{len(waiting)} to apply." if waiting else "Nothing to do.")
    elif not upgrade(settings, to, report):
        report("Nothing to do: the database is up to date.")


@app.command()
def new(message: Annotated[str, typer.Argument(help="What the migration does, in a few words.")]) -> None:
    """Create an empty migration of the agent's branch and print its path."""
    from ..migrations import new_revision

    print(new_revision(message))


@app.command()
def history() -> None:
    """List all revisions, applied and pending."""
    from ...config import AdminSettings, load
    from ..migrations import pending, revisions

    missing = {script.revision for script in pending(load(AdminSettings))}
    for script in revisions():
        state = "pending" if script.revision in missing else "applied"
        print(f"{script.revision:<16}  {state}  {script.doc}")


@app.command()
def downgrade(
    to: Annotated[str, typer.Argument(help="The revision to return to, such as agent@-1 or platform@base.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Undo migrations. Data in the tables and columns that they added is lost."""
    from ...config import AdminSettings, load
    from .. import migrations

    settings = load(AdminSettings)
    report = progress_printer(settings, "migrations")
    if not yes:
        typer.confirm(f"This deletes the data of all migrations after {to}. Continue?", abort=True, err=True)
    if not migrations.downgrade(settings, to, report):
        report("Nothing to do.")
