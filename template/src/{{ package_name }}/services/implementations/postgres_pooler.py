"""Detects a connection pooler between this process and PostgreSQL, and its mode."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, LiteralString

import psycopg

from ..interfaces import ServiceUnavailable
from .postgres_connection import GRACE_SECONDS, BoundedConnection, connection_options, failure_reason

if TYPE_CHECKING:
    from ...config import AdminSettings

TRIES = 5  # a busy pooler sometimes gives a connection another session
# Equal for two URLs of the same database.
IDENTITY = "SELECT (current_database(), pg_postmaster_start_time())::text"


@dataclass(frozen=True, slots=True)
class Route:
    """How DATABASE_URL reaches the server; `pooler` is the mode of a pooler in between.

    `is_limited` says whether the server ends statements after DATABASE_TIMEOUT_SECONDS. `direct` describes
    DATABASE_DIRECT_URL, if set: the same database without a pooler (`ok`), or the problem.
    """

    pooler: Literal["session", "transaction"] | None
    is_limited: bool
    direct: Literal["ok", "another database", "a pooler"] | None


async def detect_route(settings: AdminSettings) -> Route:
    """Connect by each URL. Raises `ServiceUnavailable`, with the reason, for a URL that does not work."""
    url = settings.DATABASE_URL.get_secret_value()
    pooled = settings.DATABASE_POOLER is not None
    async with AsyncExitStack() as stack:
        first = await _connect(stack, settings, "DATABASE_URL", url, pooled=pooled)
        limit = await _value(first, "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'")
        is_limited = int(limit) == round(settings.DATABASE_TIMEOUT_SECONDS * 1000)
        mode: Literal["session", "transaction"] | None = None
        if await _is_pooled(first):
            second = await _connect(stack, settings, "DATABASE_URL", url, pooled=pooled)
            mode = "transaction" if await _share_session(first, second) else "session"
        direct = None
        if settings.DATABASE_DIRECT_URL is not None:
            name, address = settings.direct_database
            straight = await _connect(stack, settings, name, address, pooled=False)
            direct = await _compare(first, straight)
    return Route(mode, is_limited, direct)


async def _compare(
    given: BoundedConnection, direct: BoundedConnection
) -> Literal["ok", "another database", "a pooler"]:
    if await _value(given, IDENTITY) != await _value(direct, IDENTITY):
        return "another database"
    return "a pooler" if await _is_pooled(direct) else "ok"


async def _is_pooled(connection: BoundedConnection) -> bool:
    """A pooler gives clients its own process numbers, for cancelling; the server reports that of the session."""
    return int(await _value(connection, "SELECT pg_backend_pid()::text")) != connection.info.backend_pid


async def _share_session(first: BoundedConnection, second: BoundedConnection) -> bool:
    """Whether two open connections get the same session, which session mode excludes."""
    seen: set[str] = set()
    try:
        for _ in range(TRIES):
            seen.add(await _value(first, "SELECT pg_backend_pid()::text"))
            if await _value(second, "SELECT pg_backend_pid()::text") in seen:
                return True
    except psycopg.OperationalError:  # the first holds the only session
        return False
    return len(seen) > 1


async def _connect(
    stack: AsyncExitStack, settings: AdminSettings, name: str, address: str, *, pooled: bool
) -> BoundedConnection:
    try:
        connection = await BoundedConnection.connect(
            address, autocommit=True, **connection_options(settings, address, pooled=pooled)
        )
    except psycopg.Error as error:
        raise ServiceUnavailable("database", failure_reason(str(error), name)) from None
    stack.push_async_callback(connection.close)
    connection.limit = settings.DATABASE_TIMEOUT_SECONDS + GRACE_SECONDS
    connection.statement_timeout = round(settings.DATABASE_TIMEOUT_SECONDS * 1000) if pooled else 0
    return connection


async def _value(connection: BoundedConnection, query: LiteralString) -> str:
    cursor = await connection.execute(query)
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - each query above returns a row
    return str(row[0])
