"""PostgreSQL through psycopg 3 and its pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction
from psycopg.rows import RowFactory, class_row, scalar_row
from psycopg.types.json import JsonbDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ..interfaces import Executor, Parameters, PoolUsage, Row, ServiceUnavailable, UniqueConflict

if TYPE_CHECKING:
    from ...config import AdminSettings

NONE: Parameters = {}
Connection = psycopg.AsyncConnection[Any]


class PostgresExecutor:
    """Statements on one connection. `connection` is for implementations that must share a transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def fetch_all(self, row: type[Row], query: LiteralString, parameters: Parameters = NONE) -> list[Row]:
        cursor = await self._run(class_row(row), query, parameters)
        return await cursor.fetchall()

    async def fetch_one(self, row: type[Row], query: LiteralString, parameters: Parameters = NONE) -> Row | None:
        cursor = await self._run(class_row(row), query, parameters)
        return await cursor.fetchone()

    async def fetch_value(self, query: LiteralString, parameters: Parameters = NONE) -> Any:
        cursor = await self._run(scalar_row, query, parameters)
        return await cursor.fetchone()

    async def execute(self, query: LiteralString, parameters: Parameters = NONE) -> int:
        cursor = await self._run(scalar_row, query, parameters)
        return cursor.rowcount

    async def _run(
        self, rows: RowFactory[Any], query: LiteralString, parameters: Parameters
    ) -> psycopg.AsyncCursor[Any]:
        try:
            cursor = self.connection.cursor(row_factory=rows)
            return await cursor.execute(query, parameters)
        except psycopg.errors.UniqueViolation as error:
            raise UniqueConflict(error.diag.constraint_name or "") from error


class PostgresDatabase:
    """A pool of connections in autocommit mode: a single statement is one round trip."""

    def __init__(self, settings: AdminSettings) -> None:
        self._timeout = settings.DATABASE_TIMEOUT_SECONDS
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings.DATABASE_URL.get_secret_value(),
            min_size=settings.DATABASE_POOL_SIZE,
            max_size=settings.DATABASE_POOL_SIZE + settings.DATABASE_POOL_MAX_OVERFLOW,
            timeout=self._timeout,
            kwargs=_parameters(settings),
            configure=_configure,
            open=False,
        )
        self._repair: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            await self.pool.open(wait=True, timeout=self._timeout)
        except PoolTimeout:
            raise ServiceUnavailable("database") from None

    async def close(self) -> None:
        await self.pool.close()

    async def ping(self) -> None:
        await self.execute("SELECT 1")

    def usage(self) -> PoolUsage:
        figures = self.pool.get_stats()
        idle = figures["pool_available"]
        return PoolUsage(
            used=figures["pool_size"] - idle, idle=idle, waiting=figures["requests_waiting"], limit=self.pool.max_size
        )

    async def fetch_all(self, row: type[Row], query: LiteralString, parameters: Parameters = NONE) -> list[Row]:
        async with self._executor() as executor:
            return await executor.fetch_all(row, query, parameters)

    async def fetch_one(self, row: type[Row], query: LiteralString, parameters: Parameters = NONE) -> Row | None:
        async with self._executor() as executor:
            return await executor.fetch_one(row, query, parameters)

    async def fetch_value(self, query: LiteralString, parameters: Parameters = NONE) -> Any:
        async with self._executor() as executor:
            return await executor.fetch_value(query, parameters)

    async def execute(self, query: LiteralString, parameters: Parameters = NONE) -> int:
        async with self._executor() as executor:
            return await executor.execute(query, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        async with self._executor() as executor, executor.connection.transaction():
            yield executor

    @asynccontextmanager
    async def _executor(self) -> AsyncIterator[PostgresExecutor]:
        try:
            async with self.pool.connection() as connection:
                yield PostgresExecutor(connection)
        except (psycopg.OperationalError, ReadOnlySqlTransaction, PoolTimeout) as error:
            if not isinstance(error, QueryCanceled):  # of a statement that took too long the connection is well
                self._repair_pool()
            raise ServiceUnavailable("database") from error

    def _repair_pool(self) -> None:
        """A restart of the server breaks every connection at once: replace them now, not one a failed request."""
        if self._repair is None or self._repair.done():
            self._repair = asyncio.create_task(self.pool.check())


async def _configure(connection: Connection) -> None:
    await connection.set_autocommit(True)
    connection.adapters.register_dumper(dict, JsonbDumper)


def _parameters(settings: AdminSettings) -> dict[str, Any]:
    """What there is to say to libpq beside DATABASE_URL, whose own options hold as well."""
    try:
        given = conninfo_to_dict(settings.DATABASE_URL.get_secret_value())
    except psycopg.ProgrammingError:
        given = {}  # nor can libpq read it
    timeout = settings.DATABASE_TIMEOUT_SECONDS
    return {
        "application_name": settings.APP_NAME,
        "connect_timeout": max(2, round(timeout)),
        "options": f"{given.get('options', '')} -c statement_timeout={round(timeout * 1000)}".lstrip(),
    }
