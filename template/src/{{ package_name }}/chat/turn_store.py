"""The SQL of running turns: a process takes one up under a lease, and each of its writes names the fence it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from .models import Approval, Step, Turn, TurnKey, Usage

if TYPE_CHECKING:
    from ..services.interfaces import Database, ModelUse

TURN: Final = (
    "session_id, number, owner, status, message, response, error, model, input_tokens, output_tokens, "
    "usage_estimated, finish_reason, fence, losses, created_at, finished_at"
)
# Adds to what the owner of the turn that is held has used today.
USE: Final = """
    INSERT INTO owner_usage AS u (owner, day, tokens, cost_usd)
    SELECT owner, (now() AT TIME ZONE 'UTC')::date, %(input)s + %(output)s, %(usd)s FROM held
    ON CONFLICT (owner, day) DO UPDATE SET
        tokens = u.tokens + excluded.tokens, cost_usd = u.cost_usd + excluded.cost_usd
    RETURNING tokens, cost_usd::float8 AS usd
"""
# Adds to what the turn has used.
ADD_USE: Final = """
    input_tokens = input_tokens + %(input)s, output_tokens = output_tokens + %(output)s,
    usage_estimated = usage_estimated OR %(estimated)s
"""


class LeaseLost(Exception):
    """Another process has taken the turn up, or it was cancelled: nothing may be written."""


class LeasedTurns:
    """Each method is one statement, unless its docstring says otherwise."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, key: TurnKey, lease_seconds: float) -> Turn | None:
        """Take up a turn that waits, or whose process is dead; `None` when there is nothing to take up."""
        return await self._database.fetch_one(
            Turn,
            f"""
            UPDATE turns SET status = 'running', fence = fence + 1, losses = losses + (status = 'running')::int,
                             started_at = coalesce(started_at, now()),
                             lease_until = now() + make_interval(secs => %(lease)s)
            WHERE session_id = %(id)s AND number = %(number)s AND (
                status = 'queued'
                OR (status = 'running' AND lease_until < now())
                OR (status = 'waiting_for_approval' AND NOT EXISTS (
                    SELECT FROM turn_approvals a WHERE a.session_id = turns.session_id AND a.turn = turns.number
                    AND a.approved IS NULL AND a.expires_at > now()))
            )
            RETURNING {TURN}
            """,
            {"id": key.session_id, "number": key.number, "lease": lease_seconds},
        )

    async def extend_leases(self, turns: Sequence[Turn], lease_seconds: float) -> set[TurnKey]:
        """Renew the leases of `turns`; returns those that are still this process's own.

        A turn that the process has just ended is one of these: it has yet to tell of the end. That of a turn that
        another process took up, or that was cancelled, bears another fence.
        """
        held = await self._database.fetch_all(
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

    async def commit_reply(self, turn: Turn, step: Step, used: ModelUse) -> Usage:
        """Store a response of the model and what it used; returns the owner's use of today. Raises `LeaseLost`."""
        held = {"id": turn.session_id, "turn": turn.number, "fence": turn.fence}
        today = await self._database.fetch_one(
            Usage,
            f"""
            WITH held AS (
                UPDATE turns SET {ADD_USE}, losses = 0
                WHERE session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'
                RETURNING session_id, number, owner
            ), step AS (
                INSERT INTO turn_steps (session_id, turn, number, kind, content)
                SELECT session_id, number, %(number)s, %(kind)s, %(content)s FROM held
            )
            {USE}
            """,
            {
                **held,
                "number": step.number,
                "kind": step.kind,
                "content": step.content,
                **_parameters(used),
            },
        )
        if today is None:
            raise LeaseLost
        return today

    async def commit_step(self, turn: Turn, step: Step) -> None:
        """Store the result of a tool. Raises `LeaseLost`."""
        await self._fenced(
            """
            WITH held AS (
                UPDATE turns SET losses = 0
                WHERE session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'
                RETURNING session_id, number
            )
            INSERT INTO turn_steps (session_id, turn, number, kind, content)
            SELECT session_id, number, %(number)s, %(kind)s, %(content)s FROM held
            """,
            turn,
            number=step.number,
            kind=step.kind,
            content=step.content,
        )

    async def succeed(self, turn: Turn, step: Step, model: str, used: ModelUse, finish_reason: str = "stop") -> Turn:
        """Store the last step and its text as the response. Raises `LeaseLost`."""
        return await self._final(
            f"""
            WITH held AS (
                UPDATE turns SET
                    status = 'succeeded', response = %(response)s, model = %(model)s, finish_reason = %(finish_reason)s,
                    finished_at = now(), lease_until = NULL, {ADD_USE}
                WHERE session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'
                RETURNING {TURN}
            ), step AS (
                INSERT INTO turn_steps (session_id, turn, number, kind, content)
                SELECT session_id, number, %(number)s, %(kind)s, %(content)s FROM held
            ), used AS (
                {USE}
            )
            SELECT * FROM held
            """,
            turn,
            response=step.content["text"],
            model=model,
            number=step.number,
            kind=step.kind,
            content=step.content,
            finish_reason=finish_reason,
            **_parameters(used),
        )

    async def fail(self, turn: Turn, error: dict[str, Any], used: ModelUse) -> Turn:
        """End the turn, and store what a response used that came to nothing. Raises `LeaseLost`."""
        return await self._final(
            f"""
            WITH held AS (
                UPDATE turns SET
                    status = 'failed', error = %(error)s, finished_at = now(), lease_until = NULL, {ADD_USE}
                WHERE session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'
                RETURNING {TURN}
            ), used AS (
                {USE}
            )
            SELECT * FROM held
            """,
            turn,
            error=error,
            **_parameters(used),
        )

    async def use(self, owner: str, used: ModelUse) -> None:
        """Add to what the owner has used today, whatever became of the turn."""
        await self._database.execute(
            f"WITH held AS (SELECT %(owner)s::text AS owner) {USE}",
            {"owner": owner, **_parameters(used)},
        )

    async def release(self, turn: Turn) -> None:
        """Give the turn up at once, so that another process may take it up, which is no loss."""
        await self._database.execute(
            """
            UPDATE turns SET lease_until = now() - interval '1 ms', losses = losses - 1
            WHERE session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'
            """,
            {"id": turn.session_id, "turn": turn.number, "fence": turn.fence},
        )

    async def lost_turns(self, queued_seconds: float, limit: int) -> list[TurnKey]:
        """Turns that nobody will take up unless told: the lease ran out, the job got lost, or the approvals are in."""
        return await self._database.fetch_all(
            TurnKey,
            """
            SELECT session_id, number FROM turns
            WHERE (status = 'running' AND lease_until < now())
               OR (status = 'queued' AND queued_at < now() - make_interval(secs => %(queued)s))
               OR (status = 'waiting_for_approval' AND NOT EXISTS (
                    SELECT FROM turn_approvals a WHERE a.session_id = turns.session_id AND a.turn = turns.number
                    AND a.approved IS NULL AND a.expires_at > now()))
            ORDER BY queued_at LIMIT %(limit)s
            """,
            {"queued": queued_seconds, "limit": limit},
        )

    async def park(self, turn: Turn, approvals: Sequence[Approval]) -> None:
        """Let the turn wait for a person's decisions. Raises `LeaseLost`. One transaction."""
        async with self._database.transaction() as transaction:
            for approval in approvals:
                await transaction.execute(
                    """
                    INSERT INTO turn_approvals (session_id, turn, step, call_id, tool, arguments, expires_at)
                    VALUES (%(id)s, %(turn)s, %(step)s, %(call_id)s, %(tool)s, %(arguments)s, %(expires_at)s)
                    ON CONFLICT DO NOTHING
                    """,
                    {
                        "id": turn.session_id,
                        "turn": turn.number,
                        "step": approval.step,
                        "call_id": approval.call_id,
                        "tool": approval.tool,
                        "arguments": approval.arguments,
                        "expires_at": approval.expires_at,
                    },
                )
            parked = await transaction.execute(
                """
                UPDATE turns SET status = 'waiting_for_approval', lease_until = NULL
                WHERE session_id = %(id)s AND number = %(turn)s AND fence = %(fence)s AND status = 'running'
                """,
                {"id": turn.session_id, "turn": turn.number, "fence": turn.fence},
            )
            if not parked:
                raise LeaseLost

    async def _fenced(self, query: Any, turn: Turn, **parameters: object) -> None:
        held = {"id": turn.session_id, "turn": turn.number, "fence": turn.fence}
        if not await self._database.execute(query, {**held, **parameters}):
            raise LeaseLost

    async def _final(self, query: Any, turn: Turn, **parameters: object) -> Turn:
        held = {"id": turn.session_id, "turn": turn.number, "fence": turn.fence}
        ended = await self._database.fetch_one(Turn, query, {**held, **parameters})
        if ended is None:
            raise LeaseLost
        return ended


def _parameters(used: ModelUse) -> dict[str, object]:
    return {
        "input": used.input_tokens,
        "output": used.output_tokens,
        "usd": used.cost_usd or 0.0,
        "estimated": used.estimated,
    }
