"""Your admin commands, beside the service's own. Import what is heavy inside the functions: `--help` must be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .notes import Note

app = typer.Typer()
notes_app = typer.Typer(help="The notes that the agent keeps for its users.", no_args_is_help=True)
app.add_typer(notes_app, name="notes")


@notes_app.command("list")
def list_notes(owner: Annotated[str, typer.Argument(help="Whose notes: the `sub` of their token.")]) -> None:
    """Print a user's notes, the oldest first."""
    import asyncio

    for note in asyncio.run(_notes_of(owner)):
        typer.echo(f"{note.id:>6}  {note.created_at:%Y-%m-%d %H:%M}  {note.text}")


async def _notes_of(owner: str) -> list[Note]:
    from ..config import AdminSettings, load
    from ..services.implementations.postgres import PostgresDatabase
    from . import notes

    database = PostgresDatabase(load(AdminSettings), patient=False)
    try:
        await database.open()
        return await notes.find_all(database, owner)
    finally:
        await database.close()
