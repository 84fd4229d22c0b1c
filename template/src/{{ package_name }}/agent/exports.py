"""Your tables in `export --owner`, which returns everything stored about an owner, and in `erase`, which deletes it.

Yield records that JSON can represent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..extensions import Executor, ExportRegistry
from . import notes

registry = ExportRegistry()


@registry.kind("note")
async def notes_of(executor: Executor, owner: str) -> AsyncIterator[dict[str, Any]]:
    """The notes that the agent keeps for the owner."""
    for note in await notes.find_all(executor, owner):
        yield {"id": note.id, "text": note.text, "created_at": note.created_at.isoformat()}


@registry.erasure("note")
async def erase_notes(executor: Executor, owner: str) -> int:
    """Delete the owner's notes."""
    return await notes.delete_all(executor, owner)
