"""The audit log: who did what to which object, and whether they could (rule 13.1). The database lets nobody change it.

Contents of conversations never stand in it: an entry names an object, and `detail` how it was dealt with.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from structlog.contextvars import get_contextvars

if TYPE_CHECKING:
    from ..services.interfaces import Executor

# The address that the request came from which is being answered.
client_address: ContextVar[str | None] = ContextVar("client_address", default=None)


def _request_id() -> str | None:
    return get_contextvars().get("request_id")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be kept. Request and address are those of the request at hand, where there is one."""

    actor: str
    action: str
    object: str | None = None
    outcome: str = "done"
    detail: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = field(default_factory=_request_id)
    address: str | None = field(default_factory=client_address.get)


@dataclass(frozen=True, slots=True)
class StoredEntry:
    id: int
    at: datetime
    actor: str
    action: str
    object: str | None
    outcome: str
    request_id: str | None
    address: str | None
    detail: dict[str, Any]


async def record(executor: Executor, *entries: Entry) -> None:
    """Keep the entries: with what they tell of, where `executor` is a transaction. One statement."""
    await executor.execute(
        """
        INSERT INTO audit_log (actor, action, object, outcome, request_id, address, detail)
        SELECT actor, action, object, outcome, request_id, address, detail
        FROM jsonb_to_recordset(%(given)s -> 'entries') AS given (
            actor text, action text, object text, outcome text, request_id text, address text, detail jsonb
        )
        """,
        {"given": {"entries": [asdict(entry) for entry in entries]}},
    )


async def find(
    executor: Executor, *, actor: str | None, action: str | None, since: datetime | None, limit: int
) -> list[StoredEntry]:
    """The latest entries that fit, the oldest of them first. `action` may be the beginning of one."""
    return await executor.fetch_all(
        StoredEntry,
        """
        SELECT * FROM (
            SELECT id, at, actor, action, object, outcome, request_id, address, detail FROM audit_log
            WHERE (%(actor)s::text IS NULL OR actor = %(actor)s)
              AND (%(action)s::text IS NULL OR starts_with(action, %(action)s))
              AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
            ORDER BY id DESC LIMIT %(limit)s
        ) AS latest ORDER BY id
        """,
        {"actor": actor, "action": action, "since": since, "limit": limit},
    )


async def expire(executor: Executor, days: int) -> int:
    """Have what is older than `days` (30 at least) deleted; returns how many entries that were."""
    expired: int = await executor.fetch_value("SELECT expire_audit_log(%(days)s)", {"days": days})
    return expired
