"""The chat's SQL. Each method is one statement, and so one round trip, unless its docstring says otherwise."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from ..services.interfaces import UniqueConflict
from .models import Approval, KeyedTurn, PastTurn, Session, Status, Step, Turn
from .turn_store import TURN, LeasedTurns

if TYPE_CHECKING:
    from ..services.interfaces import Executor

IDEMPOTENCY_KEY_HOURS: Final = 24


class SessionNotFound(Exception):
    """There is no such session, or it is somebody else's."""


class TurnInProgress(Exception):
    """The session has a live turn already."""


class ChatRepository(LeasedTurns):
    """Sessions, turns as their owners see them, and approvals."""

    # Sessions

    async def create_session(self, owner: str) -> Session:
        session = await self._database.fetch_one(
            Session,
            """
            WITH owner AS (
                INSERT INTO users (subject, name) VALUES (%(owner)s, %(owner)s) ON CONFLICT (subject) DO NOTHING
            )
            INSERT INTO chat_sessions (id, owner) VALUES (%(id)s, %(owner)s)
            RETURNING id, turn_count, created_at, updated_at
            """,
            {"id": uuid4(), "owner": owner},
        )
        assert session is not None  # noqa: S101 - an INSERT returns its row
        return session

    async def list_sessions(self, owner: str, limit: int, before: tuple[datetime, UUID] | None) -> list[Session]:
        """The newest first; `before` is the place of the last one seen."""
        return await self._database.fetch_all(
            Session,
            """
            SELECT id, turn_count, created_at, updated_at FROM chat_sessions
            WHERE owner = %(owner)s AND (%(at)s::timestamptz IS NULL OR (created_at, id) < (%(at)s, %(id)s::uuid))
            ORDER BY created_at DESC, id DESC LIMIT %(limit)s
            """,
            {"owner": owner, "limit": limit, "at": before and before[0], "id": before and before[1]},
        )

    async def delete_session(self, owner: str, session_id: UUID, executor: Executor) -> int:
        """Delete it with all that belongs to it; returns how many turns it had. Raises `SessionNotFound`."""
        turns: int | None = await executor.fetch_value(
            "DELETE FROM chat_sessions WHERE id = %(id)s AND owner = %(owner)s RETURNING turn_count",
            {"id": session_id, "owner": owner},
        )
        if turns is None:
            raise SessionNotFound
        return turns

    # Turns

    async def begin_turn(
        self,
        owner: str,
        session_id: UUID,
        message: str,
        *,
        lease_seconds: float | None,
        idempotency_key: str | None,
        request_digest: str | None,
        executor: Executor | None = None,
    ) -> Turn:
        """Store the message as the session's next turn: running under a lease, or queued when that is `None`.

        Raises `SessionNotFound`, `TurnInProgress`, and `UniqueConflict` when the idempotency key is in use.
        """
        try:
            turn = await (executor or self._database).fetch_one(
                Turn,
                f"""
                WITH session AS (
                    UPDATE chat_sessions SET turn_count = turn_count + 1, updated_at = now()
                    WHERE id = %(session_id)s AND owner = %(owner)s RETURNING id, turn_count
                )
                INSERT INTO turns (session_id, number, owner, status, message, idempotency_key, request_digest,
                                   fence, started_at, lease_until)
                SELECT id, turn_count, %(owner)s, %(status)s, %(message)s, %(key)s, %(digest)s,
                       %(fence)s, CASE WHEN %(fence)s = 1 THEN now() END, now() + make_interval(secs => %(lease)s)
                FROM session RETURNING {TURN}
                """,
                {
                    "session_id": session_id,
                    "owner": owner,
                    "status": Status.QUEUED if lease_seconds is None else Status.RUNNING,
                    "message": message,
                    "key": idempotency_key,
                    "digest": request_digest,
                    "fence": 0 if lease_seconds is None else 1,
                    "lease": lease_seconds,
                },
            )
        except UniqueConflict as conflict:
            if conflict.constraint == "one_live_turn_per_session":
                raise TurnInProgress from conflict
            raise
        if turn is None:
            raise SessionNotFound
        return turn

    async def turn_of_key(self, owner: str, idempotency_key: str, request_digest: str) -> tuple[Turn, bool] | None:
        """The turn that a key in use began, and whether it was the same request. A key that is too old is freed first.

        Two statements.
        """
        await self._database.execute(
            """
            UPDATE turns SET idempotency_key = NULL
            WHERE owner = %(owner)s AND idempotency_key = %(key)s
              AND created_at < now() - make_interval(hours => %(hours)s)
            """,
            {"owner": owner, "key": idempotency_key, "hours": IDEMPOTENCY_KEY_HOURS},
        )
        row = await self._database.fetch_one(
            KeyedTurn,
            f"SELECT {TURN}, request_digest FROM turns WHERE owner = %(owner)s AND idempotency_key = %(key)s",
            {"owner": owner, "key": idempotency_key},
        )
        return (row, row.request_digest == request_digest) if row else None

    async def get_turn(self, owner: str, session_id: UUID, number: int) -> Turn | None:
        return await self._database.fetch_one(
            Turn,
            f"SELECT {TURN} FROM turns WHERE session_id = %(id)s AND number = %(number)s AND owner = %(owner)s",
            {"id": session_id, "number": number, "owner": owner},
        )

    async def history(self, owner: str, session_id: UUID, limit: int, after: int) -> list[Turn] | None:
        """Turns after the number `after`, the oldest first; `None` when there is no such session.

        Two statements where nothing is found.
        """
        parameters = {"id": session_id, "owner": owner, "limit": limit, "after": after}
        turns = await self._database.fetch_all(
            Turn,
            f"""
            SELECT {TURN} FROM turns WHERE session_id = %(id)s AND owner = %(owner)s AND number > %(after)s
            ORDER BY number LIMIT %(limit)s
            """,
            parameters,
        )
        if not turns and not await self._database.fetch_value(
            "SELECT 1 FROM chat_sessions WHERE id = %(id)s AND owner = %(owner)s", parameters
        ):
            return None
        return turns

    async def past_turns(self, turn: Turn, limit: int) -> list[PastTurn]:
        """What the model is shown of the session before `turn`: the turns that succeeded, the oldest first."""
        return await self._database.fetch_all(
            PastTurn,
            """
            SELECT message, steps FROM (
                SELECT number, message, ARRAY(
                    SELECT jsonb_build_object('number', s.number, 'kind', s.kind, 'content', s.content)
                    FROM turn_steps s WHERE s.session_id = t.session_id AND s.turn = t.number ORDER BY s.number
                ) AS steps
                FROM turns t
                WHERE session_id = %(id)s AND number < %(number)s AND status = 'succeeded'
                ORDER BY number DESC LIMIT %(limit)s
            ) AS latest ORDER BY number
            """,
            {"id": turn.session_id, "number": turn.number, "limit": limit},
        )

    async def steps(self, turn: Turn, after: int = 0) -> list[Step]:
        return await self._database.fetch_all(
            Step,
            """
            SELECT number, kind, content FROM turn_steps
            WHERE session_id = %(id)s AND turn = %(turn)s AND number > %(after)s ORDER BY number
            """,
            {"id": turn.session_id, "turn": turn.number, "after": after},
        )

    async def cancel(self, turn: Turn) -> Turn | None:
        """End a live turn, whichever process runs it; `None` when it has ended already."""
        return await self._database.fetch_one(
            Turn,
            f"""
            UPDATE turns SET status = 'cancelled', fence = fence + 1, finished_at = now(), lease_until = NULL
            WHERE session_id = %(id)s AND number = %(turn)s
              AND status IN ('queued', 'running', 'waiting_for_approval')
            RETURNING {TURN}
            """,
            {"id": turn.session_id, "turn": turn.number},
        )

    # Approvals

    async def approvals(self, turn: Turn) -> list[Approval]:
        return await self._database.fetch_all(
            Approval,
            """
            SELECT step, call_id, tool, arguments, expires_at, approved, note FROM turn_approvals
            WHERE session_id = %(id)s AND turn = %(turn)s ORDER BY step, call_id
            """,
            {"id": turn.session_id, "turn": turn.number},
        )

    async def open_approvals(self, turn: Turn) -> list[Approval]:
        """Those that the turn waits for a person to decide; none once it goes on."""
        return await self._database.fetch_all(
            Approval,
            """
            SELECT step, call_id, tool, arguments, expires_at, approved, note FROM turn_approvals
            WHERE session_id = %(id)s AND turn = %(turn)s AND approved IS NULL AND expires_at > now()
              AND EXISTS (SELECT FROM turns t WHERE t.session_id = %(id)s AND t.number = %(turn)s
                          AND t.status = 'waiting_for_approval')
            ORDER BY step, call_id
            """,
            {"id": turn.session_id, "turn": turn.number},
        )

    async def decide(
        self, turn: Turn, call_id: str, approved: bool, note: str | None, *, by: str, executor: Executor
    ) -> bool:
        """Record a decision; false when there is none to take: unknown, taken already, expired, or the turn has ended.

        The turn is held first, then the approval, as all that locks both does: nothing ends the turn meanwhile.
        """
        return bool(
            await executor.execute(
                """
                UPDATE turn_approvals
                SET approved = %(approved)s, note = %(note)s, decided_by = %(by)s, decided_at = now()
                WHERE session_id = %(id)s AND turn = %(turn)s AND call_id = %(call_id)s
                  AND approved IS NULL AND expires_at > now()
                  AND EXISTS (SELECT FROM turns t WHERE t.session_id = %(id)s AND t.number = %(turn)s
                              AND t.status = 'waiting_for_approval' FOR SHARE)
                """,
                {
                    "id": turn.session_id,
                    "turn": turn.number,
                    "call_id": call_id,
                    "approved": approved,
                    "note": note,
                    "by": by,
                },
            )
        )
