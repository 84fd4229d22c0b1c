"""Refused credentials, on their way into the audit log: whoever sends many must not have many rows written."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from ..services.interfaces import ServiceUnavailable
from .audit import Entry, client_address, record

if TYPE_CHECKING:
    from ..services.interfaces import Database

log = structlog.get_logger()

GATHER_SECONDS: Final = 1.0
MOST_AT_ONCE: Final = 100


class FailedLogins:
    """One entry a second for each address and reason, with how often; what is over MOST_AT_ONCE is one entry more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: dict[tuple[str | None, str], tuple[Entry, int]] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, reason: str) -> None:
        key = (client_address.get(), reason)
        if key not in self._counted and len(self._counted) >= MOST_AT_ONCE:
            key = (None, "more addresses than are told apart")
        new = Entry("unknown", "login", outcome="refused", detail={"reason": key[1]}, address=key[0])
        entry, times = self._counted.get(key, (new, 0))
        self._counted[key] = (entry, times + 1)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_later())

    async def close(self) -> None:
        """Write what is still gathered."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        await self._write()

    async def _write_later(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        await self._write()

    async def _write(self) -> None:
        counted, self._counted = self._counted, {}
        entries = [replace(entry, detail={**entry.detail, "times": times}) for entry, times in counted.values()]
        if not entries:
            return
        try:
            await record(self._database, *entries)
        except ServiceUnavailable:
            log.warning("refused logins are not in the audit log: the database is down", entries=len(entries))
