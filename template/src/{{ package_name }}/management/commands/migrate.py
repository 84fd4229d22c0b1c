"""`migrate` and `migrations`: the database's schema (rule 12.1). They need DATABASE_URL and nothing else."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Write, list and take back migrations.", no_args_is_help=True)


def migrate(
    to: Annotated[
        str | None, typer.Option(help="Go no further than this revision, such as agent_0002 or platform@head.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be applied, and change nothing.")] = False,
) -> None:
    """Bring the database up to date. Safe to run in several places at once."""
    from ...config import AdminSettings, load
    from ..base import voice
    from ..migrations import pending, upgrade

    settings = load(AdminSettings)
    say = voice(settings, "migrate")
    if dry_run:
        waiting = pending(settings, to)
        for script in waiting:
            say(f"{script.revision:<16}  {script.doc}")
        say(f"{len(waiting)} to apply." if waiting else "Nothing to do.")
    elif not upgrade(settings, to, say):
        say("Nothing to do: the database is up to date.")


@app.command()
def new(message: Annotated[str, typer.Argument(help="What the migration does, in a few words.")]) -> None:
    """Write the agent's next migration, empty, for you to fill in."""
    from ..migrations import new_revision

    print(new_revision(message))


@app.command()
def history() -> None:
    """List every revision, and whether this database has it."""
    from ...config import AdminSettings, load
    from ..migrations import pending, revisions

    missing = {script.revision for script in pending(load(AdminSettings))}
    for script in revisions():
        state = "pending" if script.revision in missing else "applied"
        print(f"{script.revision:<16}  {state}  {script.doc}")


@app.command()
def downgrade(
    to: Annotated[str, typer.Argument(help="The revision to go back to, such as agent@-1 or platform@base.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take back migrations. What their tables and columns held is lost."""
    from ...config import AdminSettings, load
    from .. import migrations
    from ..base import voice

    settings = load(AdminSettings)
    say = voice(settings, "migrations")
    if not yes:
        typer.confirm(f"This deletes what the migrations after {to} hold. Go on?", abort=True, err=True)
    if not migrations.downgrade(settings, to, say):
        say("Nothing to do.")
