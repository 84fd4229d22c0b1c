"""PostgreSQL through psycopg 3 and its pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction
from psycopg.rows import RowFactory, class_row, scalar_row
from psycopg.types.json import JsonbDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ..interfaces import Executor, Parameters, PoolUsage, Row, ServiceUnavailable, StatementTimeout, UniqueConflict
from .postgres_connection import (
    GRACE_SECONDS,
    READ_ONLY,
    BoundedConnection,
    Connection,
    connection_options,
    failure_reason,
)

if TYPE_CHECKING:
    from ...config import AdminSettings

NONE: Parameters = {}
CLOSE_SECONDS = 1.0  # for connection attempts to end when `open` fails


class PostgresExecutor:
    """Runs statements on one connection. Implementations that share its transaction use `connection`."""

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

    def __init__(self, settings: AdminSettings, *, patient: bool = True) -> None:
        """With `patient`, `open` retries for DATABASE_TIMEOUT_SECONDS, since the server may be starting."""
        self._timeout = settings.DATABASE_TIMEOUT_SECONDS
        self._patient = patient
        self._pooled = settings.DATABASE_POOLER is not None
        self._url = settings.DATABASE_URL.get_secret_value()
        options = connection_options(settings, self._url, pooled=self._pooled)
        self._options = {**options, "on_failure": self._note_failure}
        self.pool: AsyncConnectionPool[BoundedConnection] = AsyncConnectionPool(
            self._url,
            connection_class=BoundedConnection,
            min_size=settings.DATABASE_POOL_SIZE,
            max_size=settings.DATABASE_POOL_SIZE + settings.DATABASE_POOL_MAX_OVERFLOW,
            timeout=self._timeout,
            kwargs=self._options,
            configure=self._configure,
            open=False,
        )
        self._repair: asyncio.Task[None] | None = None
        self._failure: psycopg.Error | None = None  # of the last attempt to connect

    async def open(self) -> None:
        if not self._patient:
            await self._try()
        try:
            await self.pool.open(wait=True, timeout=self._timeout)
        except PoolTimeout:
            await self.pool.close(CLOSE_SECONDS)
            raise self._unavailable() from None

    async def _try(self) -> None:
        """Connect once, so that a failure is reported at once."""
        try:
            async with asyncio.timeout(self._timeout):
                connection = await BoundedConnection.connect(self._url, **self._options)
                await connection.close()
        except (psycopg.Error, TimeoutError):
            raise self._unavailable() from None

    async def close(self) -> None:
        await self.pool.close()

    async def ping(self) -> None:
        """Check that the server answers and accepts writes."""
        async with self._executor() as executor:
            if await executor.fetch_value("SHOW transaction_read_only") == "on":
                raise ReadOnlySqlTransaction(READ_ONLY)

    def usage(self) -> PoolUsage:
        stats = self.pool.get_stats()
        idle = stats["pool_available"]
        return PoolUsage(stats["pool_size"] - idle, idle, stats["requests_waiting"], self.pool.max_size)

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
                try:
                    yield PostgresExecutor(connection)
                except ReadOnlySqlTransaction:
                    await connection.close()  # another connection may reach a server that accepts writes
                    raise
        except QueryCanceled as error:  # the connection is intact
            raise StatementTimeout("database") from error
        except ReadOnlySqlTransaction as error:
            raise ServiceUnavailable("database", READ_ONLY) from error
        except PoolTimeout as error:
            self._repair_pool()
            raise self._unavailable() from error
        except psycopg.OperationalError as error:
            self._repair_pool()
            raise ServiceUnavailable("database") from error

    async def _configure(self, connection: BoundedConnection) -> None:
        await connection.set_autocommit(True)
        connection.adapters.register_dumper(dict, JsonbDumper)
        connection.limit = self._timeout + GRACE_SECONDS
        if self._pooled:
            connection.statement_timeout = round(self._timeout * 1000)
        self._failure = None

    def _note_failure(self, error: psycopg.Error) -> None:
        self._failure = error

    def _unavailable(self) -> ServiceUnavailable:
        """The error to raise if no connection is available."""
        return ServiceUnavailable("database", failure_reason(str(self._failure or "timeout")))

    def _repair_pool(self) -> None:
        """Replace all broken connections now: a restart of the server breaks them all at once."""
        if self._repair is None or self._repair.done():
            self._repair = asyncio.create_task(self.pool.check())
