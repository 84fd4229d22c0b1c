"""The audit log: who did what to which object, and whether it succeeded (rule 13.1). The database makes it append-only.

An entry names an object and, in `detail`, how it was handled; it never holds contents of conversations.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from structlog.contextvars import get_contextvars

from ..services.interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from ..services.interfaces import Database, Executor

log = structlog.get_logger()

GATHER_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 100

# The client's address of the current request.
client_address: ContextVar[str | None] = ContextVar("client_address", default=None)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry to record. `request_id` and `address` are those of the current request, if there is one."""

    actor: str
    action: str
    object: str | None = None
    outcome: str = "done"
    detail: dict[str, Any] = field(default_factory=dict)
    request_id: str | None = field(default_factory=lambda: get_contextvars().get("request_id"))
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
    """Insert the entries in one statement, in the transaction `executor` where it is one."""
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
    """The latest entries that match, oldest first. `action` matches as a prefix."""
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
    """Delete the entries older than `days`, at least 30; returns their number."""
    expired: int = await executor.fetch_value("SELECT expire_audit_log(%(days)s)", {"days": days})
    return expired


class FailedLogins:
    """Batches failed logins so that a flood writes few rows.

    Each second has one entry per address and reason, with their number; those beyond MOST_AT_ONCE share one entry.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: dict[tuple[str | None, str], Entry] = {}
        self._writing: asyncio.Task[None] | None = None

    def record(self, reason: str) -> None:
        """Count a failed login from the client's address."""
        address = client_address.get()
        if (address, reason) not in self._counted and len(self._counted) >= MOST_AT_ONCE:
            address, reason = None, "more addresses than are recorded separately"
        new = Entry("unknown", "login", outcome="refused", detail={"reason": reason, "times": 0}, address=address)
        self._counted.setdefault((address, reason), new).detail["times"] += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_later())

    async def close(self) -> None:
        """Write what has been counted."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        await self._write()

    async def _write_later(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        await self._write()

    async def _write(self) -> None:
        counted, self._counted = self._counted, {}
        if not counted:
            return
        try:
            await record(self._database, *counted.values())
        except ServiceUnavailable:
            log.warning("failed_logins_not_recorded", reason="the database is down", entries=len(counted))
