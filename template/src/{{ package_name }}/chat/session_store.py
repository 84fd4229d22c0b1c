"""Reads and writes sessions. Each method is one statement, and so one round trip."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from .errors import SessionNotFound
from .models import SessionView, StepsOfTurn

if TYPE_CHECKING:
    from ..services.interfaces import Executor


class SessionStore:
    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def create(self, owner: str, session_id: UUID | None = None) -> SessionView:
        """Create a session, under a new id unless one is given. Raises `UniqueConflict` for one that exists."""
        session = await self._executor.fetch_one(
            SessionView,
            """
            WITH owner AS (
                INSERT INTO users (subject, name) VALUES (%(owner)s, %(owner)s) ON CONFLICT (subject) DO NOTHING
            )
            INSERT INTO chat_sessions (id, owner) VALUES (%(id)s, %(owner)s)
            RETURNING id AS session_id, NULL AS title, turn_count, created_at, updated_at
            """,
            {"id": session_id or uuid4(), "owner": owner},
        )
        assert session is not None  # noqa: S101 - an INSERT returns its row
        return session

    async def page(self, owner: str, limit: int, before: tuple[datetime, UUID] | None = None) -> list[SessionView]:
        """The newest sessions first; `before` is the creation time and id of the last one on the previous page.

        The title is the beginning of the first message, on one line.
        """
        return await self._executor.fetch_all(
            SessionView,
            """
            SELECT id AS session_id, turn_count, created_at, updated_at, (
                SELECT CASE WHEN length(line) > 80 THEN rtrim(left(line, 79)) || '…' ELSE line END
                FROM turns, regexp_replace(btrim(left(message, 500), E' \\n\\r\\t'), '\\s+', ' ', 'g') AS line
                WHERE session_id = chat_sessions.id AND number = 1
            ) AS title
            FROM chat_sessions
            WHERE owner = %(owner)s AND (created_at, id) < (coalesce(%(at)s::timestamptz, 'infinity'), %(id)s::uuid)
              AND expires_at IS NULL
            ORDER BY created_at DESC, id DESC LIMIT %(limit)s
            """,
            {"owner": owner, "limit": limit, "at": before and before[0], "id": before[1] if before else UUID(int=0)},
        )

    async def exists(self, owner: str, session_id: UUID) -> bool:
        found = await self._executor.fetch_value(
            "SELECT 1 FROM chat_sessions WHERE id = %(id)s AND owner = %(owner)s", {"id": session_id, "owner": owner}
        )
        return found is not None

    async def steps(self, session_id: UUID, first: int, last: int) -> list[StepsOfTurn]:
        """The stored steps of the turns `first` to `last` that have any."""
        return await self._executor.fetch_all(
            StepsOfTurn,
            """
            SELECT turn, jsonb_agg(
                jsonb_build_object('number', number, 'kind', kind, 'content', content) ORDER BY number
            ) AS steps
            FROM turn_steps WHERE session_id = %(id)s AND turn BETWEEN %(first)s AND %(last)s GROUP BY turn
            """,
            {"id": session_id, "first": first, "last": last},
        )

    async def delete(self, owner: str, session_id: UUID) -> int:
        """Delete the session with its turns; returns their number. Raises `SessionNotFound`."""
        turns: int | None = await self._executor.fetch_value(
            "DELETE FROM chat_sessions WHERE id = %(id)s AND owner = %(owner)s RETURNING turn_count",
            {"id": session_id, "owner": owner},
        )
        if turns is None:
            raise SessionNotFound
        return turns

    async def delete_of(self, owner: str, limit: int) -> int:
        """Delete up to `limit` sessions of the owner; returns their number."""
        return await self._executor.execute(
            """
            DELETE FROM chat_sessions WHERE id = ANY (ARRAY(
                SELECT id FROM chat_sessions WHERE owner = %(owner)s LIMIT %(limit)s
            ))
            """,
            {"owner": owner, "limit": limit},
        )
