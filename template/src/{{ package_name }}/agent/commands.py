"""Your admin commands, beside the service's own. Import heavy modules inside the functions, so `--help` is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .notes import Note

app = typer.Typer()
notes_app = typer.Typer(help="The notes that the agent keeps for its users.", no_args_is_help=True)
app.add_typer(notes_app, name="notes")


@notes_app.command("list")
def list_notes(owner: Annotated[str, typer.Argument(help="The user: the `sub` of their token.")]) -> None:
    """Print a user's notes, oldest first."""
    import asyncio

    for note in asyncio.run(_notes_of(owner)):
        typer.echo(f"{note.id:>6}  {note.created_at:%Y-%m-%d %H:%M}  {note.text}")


async def _notes_of(owner: str) -> list[Note]:
    from ..extensions import open_database
    from . import notes

    async with open_database() as database:
        return await notes.find_all(database, owner)
