"""Reads and writes turns, their steps and approvals.

No other module has SQL on these tables, except for `watching`, `maintenance` and `conversation_archive`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from ..services.interfaces import UniqueConflict
from . import budgets
from .errors import IdempotencyKeyReused, LeaseLost, SessionNotFound, TurnInProgress
from .models import Approval, IdempotencyKey, PastTurn, Spending, Status, Step, Turn, TurnError, TurnKey

if TYPE_CHECKING:
    from ..services.interfaces import Executor, Usage

IDEMPOTENCY_KEY_HOURS: Final = 24

TURN: Final = (
    "session_id, number, owner, status, message, response, error, model, input_tokens, output_tokens, "
    "usage_estimated, finish_reason, request_digest, fence, losses AS crashes, created_at, finished_at"
)
# The turn, as long as the process that claimed it holds it.
HELD: Final = "session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'"
ADD_STEP: Final = """
    INSERT INTO turn_steps (session_id, turn, number, kind, content)
    SELECT session_id, number, %(step)s, %(kind)s, %(content)s FROM held
"""
ADD_USAGE: Final = """
    input_tokens = input_tokens + %(input_tokens)s, output_tokens = output_tokens + %(output_tokens)s,
    usage_estimated = usage_estimated OR %(estimated)s
"""
# Adds to the day's usage of the owner of the held turn.
ADD_USAGE_OF_TODAY: Final = """
    INSERT INTO owner_usage AS u (owner, day, tokens, cost_usd)
    SELECT owner, (now() AT TIME ZONE 'UTC')::date, %(input_tokens)s + %(output_tokens)s, coalesce(%(cost_usd)s, 0)
    FROM held
    ON CONFLICT (owner, day) DO UPDATE SET
        tokens = u.tokens + excluded.tokens, cost_usd = u.cost_usd + excluded.cost_usd
"""
FINISH: Final = f"""
    UPDATE turns SET status = %(status)s, response = %(response)s, model = %(model)s, finish_reason = %(reason)s,
                     error = %(error)s, finished_at = now(), lease_until = NULL, {ADD_USAGE}
    WHERE {HELD} RETURNING {TURN}
"""
# Of a turn that waits for approvals: all are decided or expired.
ALL_DECIDED: Final = """
    status = 'waiting_for_approval' AND NOT EXISTS (
        SELECT FROM turn_approvals a WHERE a.session_id = turns.session_id AND a.turn = turns.number
        AND a.approved IS NULL AND a.expires_at > now())
"""

Row = TypeVar("Row")


class _Begun:
    """The owner's spending, and the turn, unless a budget is spent or the session is unknown."""

    def __init__(
        self, tokens: int, usd: float, tokens_per_day: int | None, usd_per_day: float | None, **turn: Any
    ) -> None:
        self.spending = Spending(tokens, usd, tokens_per_day, usd_per_day)
        self.turn = None if turn["number"] is None else Turn(**turn)


class TurnStore:
    """Each method is one statement, and so one round trip."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    # For owners

    async def begin(
        self,
        owner: str,
        session_id: UUID,
        message: str,
        *,
        lease_seconds: float | None,
        idempotency: IdempotencyKey | None = None,
        limits: Mapping[str, float] = budgets.NO_LIMITS,
    ) -> tuple[Turn, Spending]:
        """Store the message as the session's next turn: running under a lease, or queued when that is `None`.

        Returns the owner's spending with it. Raises `BudgetSpent`, `SessionNotFound`, `TurnInProgress`, and
        `UniqueConflict` when the idempotency key is in use.
        """
        queued = lease_seconds is None
        try:
            begun = await self._executor.fetch_one(
                _Begun,
                f"""
                WITH spending AS ({budgets.SPENDING}), session AS (
                    UPDATE chat_sessions SET turn_count = turn_count + 1, updated_at = now()
                    WHERE id = %(session_id)s AND owner = %(owner)s
                      AND (SELECT tokens >= tokens_per_day OR usd >= usd_per_day FROM spending) IS NOT TRUE
                    RETURNING id, turn_count
                ), turn AS (
                    INSERT INTO turns (session_id, number, owner, status, message, idempotency_key, request_digest,
                                       fence, started_at, lease_until)
                    SELECT id, turn_count, %(owner)s, %(status)s, %(message)s, %(key)s, %(digest)s,
                           %(fence)s, CASE WHEN %(fence)s = 1 THEN now() END, now() + make_interval(secs => %(lease)s)
                    FROM session RETURNING {TURN}
                )
                SELECT * FROM spending LEFT JOIN turn ON true
                """,
                {
                    **limits,
                    "session_id": session_id,
                    "owner": owner,
                    "status": Status.QUEUED if queued else Status.RUNNING,
                    "message": message,
                    "key": idempotency and idempotency.key,
                    "digest": idempotency and idempotency.digest,
                    "fence": 0 if queued else 1,
                    "lease": lease_seconds,
                },
            )
        except UniqueConflict as conflict:
            if conflict.constraint == "one_live_turn_per_session":
                raise TurnInProgress from conflict
            raise
        assert begun is not None  # noqa: S101 - the query always returns a row
        if begun.turn is None:
            budgets.check(begun.spending)
            raise SessionNotFound
        return begun.turn, begun.spending

    async def find_by_idempotency_key(self, owner: str, key: IdempotencyKey) -> Turn | None:
        """The turn that began under the key; a key that has expired is removed from its turn.

        Raises `IdempotencyKeyReused` when the request was another one.
        """
        found = await self._executor.fetch_one(
            Turn,
            f"""
            WITH expired AS (
                UPDATE turns SET idempotency_key = NULL
                WHERE owner = %(owner)s AND idempotency_key = %(key)s
                  AND created_at < now() - make_interval(hours => %(hours)s)
            )
            SELECT {TURN} FROM turns
            WHERE owner = %(owner)s AND idempotency_key = %(key)s
              AND created_at >= now() - make_interval(hours => %(hours)s)
            """,
            {"owner": owner, "key": key.key, "hours": IDEMPOTENCY_KEY_HOURS},
        )
        if found is not None and found.request_digest != key.digest:
            raise IdempotencyKeyReused
        return found

    async def get(self, owner: str, session_id: UUID, number: int) -> Turn | None:
        return await self._executor.fetch_one(
            Turn,
            f"SELECT {TURN} FROM turns WHERE session_id = %(id)s AND number = %(number)s AND owner = %(owner)s",
            {"id": session_id, "number": number, "owner": owner},
        )

    async def history(self, owner: str, session_id: UUID, limit: int = 1000, after: int = 0) -> list[Turn]:
        """The turns after the number `after`, the oldest first. Empty for an unknown session, too."""
        return await self._executor.fetch_all(
            Turn,
            f"""
            SELECT {TURN} FROM turns WHERE session_id = %(id)s AND owner = %(owner)s AND number > %(after)s
              AND number <= (SELECT max(number) FROM (  -- else the rest of the session is read and sorted, too
                SELECT number FROM turns WHERE session_id = %(id)s AND number > %(after)s
                ORDER BY number LIMIT %(limit)s
            ) AS page) ORDER BY number
            """,
            {"id": session_id, "owner": owner, "limit": limit, "after": after},
        )

    async def cancel(self, turn: Turn) -> Turn | None:
        """Cancel an unfinished turn, whichever process runs it; `None` when it has finished."""
        return await self._executor.fetch_one(
            Turn,
            f"""
            UPDATE turns SET status = 'cancelled', fence = fence + 1, finished_at = now(), lease_until = NULL
            WHERE session_id = %(id)s AND number = %(turn)s
              AND status IN ('queued', 'running', 'waiting_for_approval')
            RETURNING {TURN}
            """,
            _ids(turn),
        )

    # For the process that runs a turn

    async def claim(self, key: TurnKey, lease_seconds: float) -> Turn | None:
        """Claim a queued turn, one whose process died, or one with all approvals decided; `None` for any other."""
        return await self._executor.fetch_one(
            Turn,
            f"""
            UPDATE turns SET status = 'running', fence = fence + 1, losses = losses + (status = 'running')::int,
                             started_at = coalesce(started_at, now()),
                             lease_until = now() + make_interval(secs => %(lease)s)
            WHERE session_id = %(id)s AND number = %(number)s
              AND (status = 'queued' OR (status = 'running' AND lease_until < now()) OR ({ALL_DECIDED}))
            RETURNING {TURN}
            """,
            {"id": key.session_id, "number": key.number, "lease": lease_seconds},
        )

    async def find_stalled(self, queued_seconds: float, limit: int) -> list[TurnKey]:
        """Turns to queue again: with an expired lease, with all approvals decided, or queued for `queued_seconds`.

        The job of the last kind may be lost.
        """
        return await self._executor.fetch_all(
            TurnKey,
            f"""
            SELECT session_id, number FROM turns
            WHERE (status = 'running' AND lease_until < now())
               OR (status = 'queued' AND queued_at < now() - make_interval(secs => %(queued)s))
               OR ({ALL_DECIDED})
            ORDER BY queued_at LIMIT %(limit)s
            """,
            {"queued": queued_seconds, "limit": limit},
        )

    async def extend_leases(self, turns: Sequence[Turn], lease_seconds: float) -> set[TurnKey]:
        """Renew the leases of `turns`; returns those that this process still holds, or has just finished."""
        held = await self._executor.fetch_all(
            TurnKey,
            """
            WITH held AS (
                SELECT * FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(fences)s::int[])
                AS held (session_id, number, fence)
            ), renewed AS (
                UPDATE turns SET lease_until = now() + make_interval(secs => %(lease)s)
                FROM held
                WHERE turns.session_id = held.session_id AND turns.number = held.number AND turns.fence = held.fence
                  AND status = 'running'
            )
            SELECT session_id, number FROM turns JOIN held USING (session_id, number, fence)
            """,
            {
                "ids": [turn.session_id for turn in turns],
                "numbers": [turn.number for turn in turns],
                "fences": [turn.fence for turn in turns],
                "lease": lease_seconds,
            },
        )
        return set(held)

    async def release(self, turn: Turn) -> None:
        """End the lease, so that another process can claim the turn at once. This does not count as a crash."""
        await self._executor.execute(
            f"UPDATE turns SET lease_until = now() - interval '1 ms', losses = losses - 1 WHERE {HELD}", _ids(turn)
        )

    async def past_turns(self, turn: Turn, limit: int) -> list[PastTurn]:
        """The last `limit` successful turns of the session before `turn`, the oldest first."""
        newest_first = await self._executor.fetch_all(
            PastTurn,
            """
            SELECT message, ARRAY(
                SELECT jsonb_build_object('number', s.number, 'kind', s.kind, 'content', s.content)
                FROM turn_steps s WHERE s.session_id = t.session_id AND s.turn = t.number ORDER BY s.number
            ) AS steps
            FROM turns t
            WHERE session_id = %(id)s AND number < %(turn)s AND status = 'succeeded'
            ORDER BY number DESC LIMIT %(limit)s
            """,
            {**_ids(turn), "limit": limit},
        )
        return newest_first[::-1]

    async def steps(self, turn: Turn, after: int = 0) -> list[Step]:
        return await self._executor.fetch_all(
            Step,
            """
            SELECT number, kind, content FROM turn_steps
            WHERE session_id = %(id)s AND turn = %(turn)s AND number > %(after)s ORDER BY number
            """,
            {**_ids(turn), "after": after},
        )

    async def commit_reply(self, turn: Turn, step: Step, usage: Usage, spending: Spending) -> Spending:
        """Store a response of the model and its usage; returns the owner's new spending. Raises `LeaseLost`."""
        limits = {"max_tokens": spending.tokens_per_day, "max_usd": spending.usd_per_day}
        return await self._write(
            Spending,
            f"""
            WITH held AS (
                UPDATE turns SET {ADD_USAGE}, losses = 0 WHERE {HELD} RETURNING session_id, number, owner
            ), step AS ({ADD_STEP})
            {ADD_USAGE_OF_TODAY}
            RETURNING tokens, cost_usd::float8 AS usd, %(max_tokens)s::bigint AS tokens_per_day,
                      %(max_usd)s::float8 AS usd_per_day
            """,
            turn,
            {**_step(step), **asdict(usage), **limits},
        )

    async def commit_step(self, turn: Turn, step: Step) -> None:
        """Store the result of a tool. Raises `LeaseLost`."""
        held = f"WITH held AS (UPDATE turns SET losses = 0 WHERE {HELD} RETURNING session_id, number)"
        if not await self._executor.execute(f"{held} {ADD_STEP}", {**_ids(turn), **_step(step)}):
            raise LeaseLost

    async def succeed(self, turn: Turn, step: Step, model: str, usage: Usage, finish_reason: str = "stop") -> Turn:
        """Finish the turn with the last step, whose text is the response. Raises `LeaseLost`."""
        outcome = {"status": Status.SUCCEEDED, "response": step.content["text"], "model": model}
        return await self._write(
            Turn,
            f"WITH held AS ({FINISH}), step AS ({ADD_STEP}), used AS ({ADD_USAGE_OF_TODAY}) SELECT * FROM held",
            turn,
            {**_step(step), **asdict(usage), **outcome, "reason": finish_reason, "error": None},
        )

    async def fail(self, turn: Turn, error: TurnError, usage: Usage) -> Turn:
        """Finish the turn with an error; `usage` is that of the failed response. Raises `LeaseLost`."""
        outcome = {"status": Status.FAILED, "response": None, "model": None, "reason": None}
        return await self._write(
            Turn,
            f"WITH held AS ({FINISH}), used AS ({ADD_USAGE_OF_TODAY}) SELECT * FROM held",
            turn,
            {**asdict(usage), **outcome, "error": asdict(error)},
        )

    async def _write(self, row: type[Row], query: Any, turn: Turn, parameters: dict[str, Any]) -> Row:
        written = await self._executor.fetch_one(row, query, {**_ids(turn), **parameters})
        if written is None:
            raise LeaseLost
        return written

    async def add_usage(self, owner: str, usage: Usage) -> None:
        """Add a response that was not committed to the owner's usage of today."""
        await self._executor.execute(
            f"WITH held AS (SELECT %(owner)s::text AS owner) {ADD_USAGE_OF_TODAY}", {"owner": owner, **asdict(usage)}
        )

    # Approvals

    async def park(self, turn: Turn, approvals: Sequence[Approval]) -> None:
        """Store the approvals that the turn waits for, and end its lease. Raises `LeaseLost`."""
        asked = [{**asdict(approval), "expires_at": approval.expires_at.isoformat()} for approval in approvals]
        await self._write(
            TurnKey,
            f"""
            WITH held AS (
                UPDATE turns SET status = 'waiting_for_approval', lease_until = NULL WHERE {HELD}
                RETURNING session_id, number
            ), asked AS (
                INSERT INTO turn_approvals (session_id, turn, step, call_id, tool, arguments, expires_at)
                SELECT session_id, held.number, asked.* FROM held, jsonb_to_recordset(%(asked)s -> 'approvals')
                AS asked (step int, call_id text, tool text, arguments jsonb, expires_at timestamptz)
                ON CONFLICT DO NOTHING
            )
            SELECT * FROM held
            """,
            turn,
            {"asked": {"approvals": asked}},
        )

    async def approvals(self, turn: Turn, *, pending: bool = False) -> list[Approval]:
        """The approvals of the turn, or those that it waits for: none once it continues."""
        return await self._executor.fetch_all(
            Approval,
            """
            SELECT step, call_id, tool, arguments, expires_at, approved, note FROM turn_approvals
            WHERE session_id = %(id)s AND turn = %(turn)s AND (NOT %(pending)s OR (
                approved IS NULL AND expires_at > now()
                AND EXISTS (SELECT FROM turns t WHERE t.session_id = %(id)s AND t.number = %(turn)s
                            AND t.status = 'waiting_for_approval')))
            ORDER BY step, call_id
            """,
            {**_ids(turn), "pending": pending},
        )

    async def decide(self, turn: Turn, call_id: str, approved: bool, note: str | None) -> bool:
        """Record the owner's decision; false when none is pending: unknown, decided, expired, or the turn has finished.

        It locks the turn before the approval, as all statements that lock both do.
        """
        decided = await self._executor.execute(
            """
            UPDATE turn_approvals
            SET approved = %(approved)s, note = %(note)s, decided_by = %(owner)s, decided_at = now()
            WHERE session_id = %(id)s AND turn = %(turn)s AND call_id = %(call_id)s
              AND approved IS NULL AND expires_at > now()
              AND EXISTS (SELECT FROM turns t WHERE t.session_id = %(id)s AND t.number = %(turn)s
                          AND t.status = 'waiting_for_approval' FOR SHARE)
            """,
            {**_ids(turn), "owner": turn.owner, "call_id": call_id, "approved": approved, "note": note},
        )
        return decided > 0


def _ids(turn: Turn) -> dict[str, Any]:
    return {"id": turn.session_id, "turn": turn.number, "fence": turn.fence}


def _step(step: Step) -> dict[str, Any]:
    return {"step": step.number, "kind": step.kind, "content": step.content}
