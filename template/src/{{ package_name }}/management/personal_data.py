"""All that is kept of one owner beside the sessions that have ended, as `export --owner` writes it; and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, LiteralString

from ..extensions import ExportRegistry

if TYPE_CHECKING:
    from ..services.interfaces import Database

PAGE: Final = 500  # records fetched at a time
SESSIONS: Final = 50  # deleted at a time
EXPORTS: Final = "exports"  # the user's module in agent/, where there is one

# One statement for each kind of record. Digests of keys are nobody's data; a key itself is not stored.
RECORDS: Final[dict[str, LiteralString]] = {
    "user": """
        SELECT jsonb_build_object('name', name, 'created_at', created_at) AS record
        FROM users WHERE subject = %(owner)s
    """,
    "live_turn": """
        SELECT jsonb_build_object(
            'session_id', t.session_id, 'turn', t.number, 'status', t.status, 'message', t.message,
            'input_tokens', t.input_tokens, 'output_tokens', t.output_tokens, 'usage_estimated', t.usage_estimated,
            'created_at', t.created_at, 'started_at', t.started_at,
            'steps', ARRAY(
                SELECT jsonb_build_object(
                    'number', p.number, 'kind', p.kind, 'content', p.content, 'created_at', p.created_at
                )
                FROM turn_steps p WHERE p.session_id = t.session_id AND p.turn = t.number ORDER BY p.number
            )
        ) AS record
        FROM turns t WHERE t.owner = %(owner)s AND t.status IN ('queued', 'running', 'waiting_for_approval')
        ORDER BY t.session_id
    """,
    "approval": """
        SELECT to_jsonb(a) AS record
        FROM turn_approvals a JOIN chat_sessions s ON s.id = a.session_id
        WHERE s.owner = %(owner)s ORDER BY a.session_id, a.turn, a.step, a.call_id
    """,
    "idempotency_key": """
        SELECT jsonb_build_object('session_id', session_id, 'turn', number, 'key', idempotency_key) AS record
        FROM turns WHERE owner = %(owner)s AND idempotency_key IS NOT NULL ORDER BY session_id, number
    """,
    "api_key": """
        SELECT jsonb_build_object(
            'id', id, 'name', name, 'scopes', scopes, 'created_at', created_at, 'expires_at', expires_at,
            'revoked_at', revoked_at, 'last_used_at', last_used_at
        ) AS record
        FROM api_keys WHERE owner = %(owner)s ORDER BY created_at, id
    """,
    "usage": """
        SELECT jsonb_build_object('day', day, 'tokens', tokens, 'usd', cost_usd) AS record
        FROM owner_usage WHERE owner = %(owner)s ORDER BY day
    """,
    "budget": """
        SELECT jsonb_build_object(
            'tokens_per_day', tokens_per_day, 'usd_per_day', usd_per_day, 'updated_at', updated_at
        ) AS record
        FROM owner_budgets WHERE owner = %(owner)s
    """,
    # What they did, by token or by key, and what was done about them.
    "audit_entry": """
        SELECT to_jsonb(entry) AS record FROM audit_log entry
        WHERE actor = %(owner)s OR object = %(owner)s OR detail ->> 'owner' = %(owner)s
           OR detail -> 'arguments' ? %(owner)s
           OR actor IN (SELECT owner || ' (key ' || id || ')' FROM api_keys WHERE owner = %(owner)s)
        ORDER BY id
    """,
}


# What goes beside the sessions, which take their turns, steps and approvals along. The audit log has a term of its own.
ERASED: Final[dict[str, LiteralString]] = {
    "api_key": "DELETE FROM api_keys WHERE owner = %(owner)s",
    "usage": "DELETE FROM owner_usage WHERE owner = %(owner)s",
    "budget": "DELETE FROM owner_budgets WHERE owner = %(owner)s",
    "user": """
        DELETE FROM users WHERE subject = %(owner)s
        AND NOT EXISTS (SELECT FROM chat_sessions WHERE owner = %(owner)s)  -- begun meanwhile
    """,
}


class NotErasable(Exception):
    """The agent's kinds of records that are exported, and that nothing knows how to delete."""


@dataclass(frozen=True, slots=True)
class _Row:
    record: dict[str, Any]


async def read(database: Database, owner: str) -> AsyncIterator[dict[str, Any]]:
    """The records, each with its `kind` and `owner`; those of the agent's own tables come last."""
    async with database.transaction() as transaction:
        for kind, query in RECORDS.items():
            await transaction.execute("DECLARE found NO SCROLL CURSOR FOR " + query, {"owner": owner})
            while rows := await transaction.fetch_all(_Row, f"FETCH {PAGE} FROM found"):
                for row in rows:
                    yield {"kind": kind, "owner": owner, **row.record}
            await transaction.execute("CLOSE found")
        for kind, records_of in _own().kinds.items():
            async for record in records_of(transaction, owner):
                yield {"kind": kind, "owner": owner, **record}


async def erase(database: Database, owner: str) -> dict[str, int]:
    """Delete all that is kept of the owner but what the audit log says; returns how many of each kind there were.

    Turns under way end: their processes find no session. What was streamed of them is gone after EVENTS_TTL_SECONDS.
    Raises `NotErasable`, before anything is deleted. One that was interrupted is finished by the next.
    """
    own = _own()
    if unknown := own.kinds.keys() - own.erasures.keys():
        raise NotErasable(", ".join(sorted(unknown)))
    erased = {"session": 0}
    while sessions := await database.execute(
        "DELETE FROM chat_sessions WHERE id IN (SELECT id FROM chat_sessions WHERE owner = %(owner)s LIMIT %(most)s)",
        {"owner": owner, "most": SESSIONS},
    ):
        erased["session"] += sessions
    async with database.transaction() as transaction:
        for kind, erase_own in own.erasures.items():
            erased[kind] = await erase_own(transaction, owner)
        for kind, statement in ERASED.items():
            erased[kind] = await transaction.execute(statement, {"owner": owner})
    return erased


def _own() -> ExportRegistry:
    """What the user registered. A project that began before there was such a module may have none."""
    name = f"{__package__.rpartition('.')[0]}.agent.{EXPORTS}"
    if find_spec(name) is None:
        return ExportRegistry()
    registry: ExportRegistry = import_module(name).registry
    return registry
