"""PostgreSQL through psycopg 3 and its pool."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction, UniqueViolation
from psycopg.rows import RowFactory, class_row, scalar_row
from psycopg.types.json import JsonbDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ..interfaces import Executor, Parameters, PoolUsage, Row, ServiceUnavailable, StatementTimeout, UniqueConflict
from .postgres_connection import READ_ONLY, BoundedConnection, Connection, connection_options, failure_reason

if TYPE_CHECKING:
    from ...config import AdminSettings

NONE: Parameters = {}
CLOSE_SECONDS = 1.0  # for connection attempts to end when `open` fails


class _Statements(ABC):
    """Implements `Executor` on the connections that `_connected` yields."""

    @abstractmethod
    def _connected(self) -> AbstractAsyncContextManager[Connection]: ...

    async def fetch_all(self, row: type[Row], query: LiteralString, parameters: Parameters = NONE) -> list[Row]:
        async with self._executed(class_row(row), query, parameters) as cursor:
            return await cursor.fetchall()

    async def fetch_one(self, row: type[Row], query: LiteralString, parameters: Parameters = NONE) -> Row | None:
        async with self._executed(class_row(row), query, parameters) as cursor:
            return await cursor.fetchone()

    async def fetch_value(self, query: LiteralString, parameters: Parameters = NONE) -> Any:
        async with self._executed(scalar_row, query, parameters) as cursor:
            return await cursor.fetchone()

    async def execute(self, query: LiteralString, parameters: Parameters = NONE) -> int:
        async with self._executed(scalar_row, query, parameters) as cursor:
            return cursor.rowcount

    @asynccontextmanager
    async def _executed(
        self, rows: RowFactory[Any], query: LiteralString, parameters: Parameters
    ) -> AsyncIterator[psycopg.AsyncCursor[Any]]:
        async with self._connected() as connection:
            try:
                yield await connection.cursor(row_factory=rows).execute(query, parameters)
            except UniqueViolation as error:
                raise UniqueConflict(error.diag.constraint_name or "") from error


class PostgresExecutor(_Statements):
    """Runs statements on one connection. Implementations that share its transaction use `connection`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def _connected(self) -> AbstractAsyncContextManager[Connection]:
        return nullcontext(self.connection)


class PostgresDatabase(_Statements):
    """A pool of connections in autocommit mode: a single statement is one round trip."""

    def __init__(self, settings: AdminSettings, *, patient: bool = True) -> None:
        """With `patient`, `open` retries for DATABASE_TIMEOUT_SECONDS, since the server may be starting."""
        self._timeout = settings.DATABASE_TIMEOUT_SECONDS
        self._patient = patient
        self._url = settings.DATABASE_URL.get_secret_value()
        options = connection_options(settings, self._url, pooled=settings.DATABASE_POOLER is not None)
        self._options = {**options, "autocommit": True, "on_failure": self._note_failure}
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
        try:
            if not self._patient:
                async with asyncio.timeout(self._timeout):
                    connection = await BoundedConnection.connect(self._url, **self._options)
                    await connection.close()
            await self.pool.open(wait=True, timeout=self._timeout)
        except (psycopg.Error, TimeoutError):
            await self.pool.close(CLOSE_SECONDS)
            raise self._unavailable() from None

    async def close(self) -> None:
        await self.pool.close()

    async def ping(self) -> None:
        """Check that the server answers and accepts writes."""
        async with self._connected() as connection:
            if await PostgresExecutor(connection).fetch_value("SHOW transaction_read_only") == "on":
                raise ReadOnlySqlTransaction

    def usage(self) -> PoolUsage:
        stats = self.pool.get_stats()
        idle = stats["pool_available"]
        return PoolUsage(stats["pool_size"] - idle, idle, stats["requests_waiting"], self.pool.max_size)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        async with self._connected() as connection, connection.transaction():
            yield PostgresExecutor(connection)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        try:
            async with self.pool.connection() as connection:
                try:
                    yield connection
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
        connection.adapters.register_dumper(dict, JsonbDumper)
        self._failure = None

    def _note_failure(self, error: psycopg.Error) -> None:
        self._failure = error

    def _unavailable(self) -> ServiceUnavailable:
        return ServiceUnavailable("database", failure_reason(str(self._failure or "timeout")))

    def _repair_pool(self) -> None:
        """Replace all broken connections now: a restart of the server breaks them all at once."""
        if self._repair is None or self._repair.done():
            self._repair = asyncio.create_task(self.pool.check())
