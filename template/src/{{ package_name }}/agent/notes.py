"""The SQL for notes that the agent keeps for a user, shared by the tools, the route and the command."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..extensions import Executor


@dataclass(frozen=True, slots=True)
class Note:
    """A note, as its owner sees it."""

    id: int
    text: str
    created_at: datetime


async def save(executor: Executor, owner: str, text: str, *, key: str, maximum: int) -> int | None:
    """Save a note and return its id; `None` if the owner already has `maximum` notes.

    A repeated `key` updates the same note, so a call repeated after a crash does not save it twice.
    """
    saved: int | None = await executor.fetch_value(
        """
        INSERT INTO notes (owner, text, call_key)
        SELECT %(owner)s, %(text)s, %(key)s
        WHERE (SELECT count(*) FROM notes WHERE owner = %(owner)s AND call_key <> %(key)s) < %(maximum)s
        ON CONFLICT (owner, call_key) DO UPDATE SET text = EXCLUDED.text
        RETURNING id
        """,
        {"owner": owner, "text": text, "key": key, "maximum": maximum},
    )
    return saved


async def find_all(executor: Executor, owner: str) -> list[Note]:
    """The owner's notes, oldest first."""
    return await executor.fetch_all(
        Note, "SELECT id, text, created_at FROM notes WHERE owner = %(owner)s ORDER BY id", {"owner": owner}
    )


async def delete(executor: Executor, owner: str, note_id: int) -> bool:
    """Delete one of the owner's notes; false if the owner has no such note."""
    deleted = await executor.execute(
        "DELETE FROM notes WHERE owner = %(owner)s AND id = %(id)s", {"owner": owner, "id": note_id}
    )
    return deleted > 0


async def delete_all(executor: Executor, owner: str) -> int:
    """Delete the owner's notes and return how many there were."""
    return await executor.execute("DELETE FROM notes WHERE owner = %(owner)s", {"owner": owner})
