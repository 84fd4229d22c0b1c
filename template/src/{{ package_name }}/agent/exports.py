"""Your tables in `export --owner`, which gives owners all that is kept of them, and in `erase`, which deletes it.

Yield what JSON can write.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ..extensions import ExportRegistry
from ..services.interfaces import Executor
from . import notes

registry = ExportRegistry()


@registry.kind("note")
async def notes_of(executor: Executor, owner: str) -> AsyncIterator[dict[str, Any]]:
    """The notes that the agent keeps for the owner."""
    for note in await notes.find_all(executor, owner):
        yield {"id": note.id, "text": note.text, "created_at": note.created_at.isoformat()}


@registry.erasure("note")
async def erase_notes(executor: Executor, owner: str) -> int:
    """Delete them."""
    return await notes.delete_all(executor, owner)
