"""API keys for machines: `ak_<id>_<secret>`, shown once and stored as a digest.

The secret has 256 random bits, so a fast hash is enough: nobody can try all of them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ..services.batching import Batcher
from .tokens import InvalidToken, Principal

if TYPE_CHECKING:
    from ..services.interfaces import Executor

PREFIX: Final = "ak_"
CACHE_SECONDS: Final = 10.0  # how long a revoked key may still be accepted
CACHE_SIZE: Final = 10_000
_KEY: Final = re.compile(r"ak_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as administrators see it."""

    id: str
    owner: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Holder:
    id: str
    digest: bytes
    owner: str
    scopes: list[str]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


async def create(
    executor: Executor, owner: str, name: str, scopes: list[str], expires_at: datetime | None
) -> tuple[str, str]:
    """Create a key, and the user `owner` if necessary; returns its id and the key, which cannot be read again."""
    key_id = secrets.token_hex(8)
    key = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    await executor.execute(
        """
        WITH holder AS (
            INSERT INTO users (subject, name) VALUES (%(owner)s, %(owner)s) ON CONFLICT (subject) DO NOTHING
        )
        INSERT INTO api_keys (id, digest, owner, name, scopes, expires_at)
        VALUES (%(id)s, %(digest)s, %(owner)s, %(name)s, %(scopes)s, %(expires_at)s)
        """,
        {
            "id": key_id,
            "digest": _digest(key),
            "owner": owner,
            "name": name,
            "scopes": scopes,
            "expires_at": expires_at,
        },
    )
    return key_id, key


async def find_all(executor: Executor, owner: str | None) -> list[ApiKey]:
    """All keys, or those of `owner`, oldest first."""
    return await executor.fetch_all(
        ApiKey,
        """
        SELECT id, owner, name, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_keys
        WHERE %(owner)s::text IS NULL OR owner = %(owner)s ORDER BY created_at, id
        """,
        {"owner": owner},
    )


async def revoke(executor: Executor, key_id: str) -> str | None:
    """Revoke a key, at the latest in CACHE_SECONDS; returns its owner, or `None` if no valid key has the id."""
    owner: str | None = await executor.fetch_value(
        "UPDATE api_keys SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL RETURNING owner",
        {"id": key_id},
    )
    return owner


# SKIP LOCKED: rows that another process updates right now are not worth waiting for.
_HOLDERS: Final = """
    WITH valid AS (
        SELECT id, digest, owner, scopes FROM api_keys
        JOIN unnest(%(ids)s::text[], %(digests)s::bytea[]) AS tried (id, digest) USING (id, digest)
        WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    ), used AS (
        UPDATE api_keys SET last_used_at = now() WHERE id IN (
            SELECT id FROM api_keys WHERE id IN (SELECT id FROM valid) FOR NO KEY UPDATE SKIP LOCKED
        )
    )
    SELECT id, digest, owner, scopes FROM valid
"""


class ApiKeys:
    """Resolves API keys to principals. Valid keys are cached for CACHE_SECONDS.

    A process runs one query for keys at a time, however many are tried: guesses cannot exhaust the pool, so valid keys
    work even while others behind the same address guess.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._found: dict[bytes, tuple[Principal, float]] = {}
        self._batcher = Batcher(self._holders)

    async def principal(self, key: str) -> Principal:
        """The principal of a key. Raises `InvalidToken` and `ServiceUnavailable`."""
        digest = _digest(key)
        principal, until = self._found.get(digest, (None, 0.0))
        if principal is not None and time.monotonic() < until:
            return principal
        form = _KEY.fullmatch(key)
        holder = await self._batcher.call((form[1], digest)) if form else None
        if holder is None:
            raise InvalidToken("The key is unknown, revoked or expired.")
        principal = Principal(holder.owner, frozenset(holder.scopes), holder.id)
        if len(self._found) >= CACHE_SIZE:
            self._found.clear()
        self._found[digest] = (principal, time.monotonic() + CACHE_SECONDS)
        return principal

    async def _holders(self, tried: list[tuple[str, bytes]]) -> list[_Holder | None]:
        parameters = {"ids": [key_id for key_id, _ in tried], "digests": [digest for _, digest in tried]}
        found = {item.digest: item for item in await self._executor.fetch_all(_Holder, _HOLDERS, parameters)}
        return [found.get(digest) for _, digest in tried]
