"""Reads and erases an owner's data. `export --owner` writes these records after the sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, LiteralString

from ..chat.conversation_archive import PERSONAL_RECORDS
from ..chat.session_store import SessionStore
from ..extensions import CommandFailed, ExportRegistry

if TYPE_CHECKING:
    from ..services.interfaces import Database

PAGE: Final = 500  # records per fetch
SESSIONS: Final = 50  # sessions per deletion
EXPORTS: Final = "exports"  # the owner's module in agent/, if it exists

# Digests of keys are not exported; the keys themselves are not stored.
RECORDS: Final[dict[str, LiteralString]] = {
    "user": "SELECT name, created_at FROM users WHERE subject = %(owner)s",
    **PERSONAL_RECORDS,
    "api_key": """
        SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used_at
        FROM api_keys WHERE owner = %(owner)s ORDER BY created_at, id
    """,
    "usage": "SELECT day, tokens, cost_usd AS usd FROM owner_usage WHERE owner = %(owner)s ORDER BY day",
    "budget": "SELECT tokens_per_day, usd_per_day, updated_at FROM owner_budgets WHERE owner = %(owner)s",
    # Actions of the owner, by token or by key, and actions on the owner.
    "audit_entry": """
        WITH found AS MATERIALIZED (  -- or else a cursor may read the whole log in the order of its ids
            SELECT * FROM audit_log
            WHERE actor = %(owner)s OR object = %(owner)s
               OR detail @> jsonb_build_object('owner', %(owner)s::text)
               OR detail @> jsonb_build_object('arguments', jsonb_build_array(%(owner)s::text))
               OR actor = ANY (ARRAY(SELECT owner || ' (key ' || id || ')' FROM api_keys WHERE owner = %(owner)s))
        )
        SELECT * FROM found ORDER BY id
    """,
}

# Deleted besides the sessions, whose turns, steps, approvals and files cascade. Entries of the audit log expire by age.
ERASED: Final[dict[str, LiteralString]] = {
    "api_key": "DELETE FROM api_keys WHERE owner = %(owner)s",
    "file": "DELETE FROM files WHERE owner = %(owner)s",
    "usage": "DELETE FROM owner_usage WHERE owner = %(owner)s",
    "budget": "DELETE FROM owner_budgets WHERE owner = %(owner)s",
    "user": """
        DELETE FROM users WHERE subject = %(owner)s
        AND NOT EXISTS (SELECT FROM chat_sessions WHERE owner = %(owner)s)  -- created since
    """,
}


@dataclass(frozen=True, slots=True)
class _Row:
    record: dict[str, Any]


async def read(database: Database, owner: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the records, each with its `kind` and `owner`; those of the agent's own tables come last."""
    async with database.transaction() as transaction:
        for kind, query in RECORDS.items():
            cursor = f"DECLARE found NO SCROLL CURSOR FOR SELECT to_jsonb(given) AS record FROM ({query}) AS given"
            await transaction.execute(cursor, {"owner": owner})
            while rows := await transaction.fetch_all(_Row, f"FETCH {PAGE} FROM found"):
                for row in rows:
                    yield {"kind": kind, "owner": owner, **row.record}
            await transaction.execute("CLOSE found")
        for kind, records_of in _agent_exports().kinds.items():
            async for record in records_of(transaction, owner):
                yield {"kind": kind, "owner": owner, **record}


async def erase(database: Database, owner: str) -> dict[str, int]:
    """Delete the owner's data except entries of the audit log; return the number of records of each kind.

    Running turns end when their processes find no session; their streamed events expire after EVENTS_TTL_SECONDS.
    Raises `CommandFailed` before anything is deleted if the agent's records cannot be. Run it again to finish an
    interrupted erasure.
    """
    exports = _agent_exports()
    if unknown := exports.kinds.keys() - exports.erasures.keys():
        raise CommandFailed(
            f"Nothing was deleted: agent/exports.py exports {', '.join(sorted(unknown))} of an owner but cannot delete "
            "it. Add a function with @registry.erasure(...)."
        )
    erased = {"session": 0}
    while sessions := await SessionStore(database).delete_of(owner, SESSIONS):
        erased["session"] += sessions
    async with database.transaction() as transaction:
        for kind, erasure in exports.erasures.items():
            erased[kind] = await erasure(transaction, owner)
        for kind, statement in ERASED.items():
            erased[kind] = await transaction.execute(statement, {"owner": owner})
    return erased


def _agent_exports() -> ExportRegistry:
    """Return the registry of agent/exports.py. A project from an early release may lack that module."""
    name = f"{__package__.rpartition('.')[0]}.agent.{EXPORTS}"
    if find_spec(name) is None:
        return ExportRegistry()
    registry: ExportRegistry = import_module(name).registry
    return registry
