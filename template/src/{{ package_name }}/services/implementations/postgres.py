"""PostgreSQL through psycopg 3 and its pool."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import QueryCanceled, ReadOnlySqlTransaction
from psycopg.rows import RowFactory, class_row, scalar_row
from psycopg.types.json import JsonbDumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from ..interfaces import Executor, Parameters, PoolUsage, Row, ServiceUnavailable, TooSlow, UniqueConflict

if TYPE_CHECKING:
    from psycopg.abc import RV, PQGen

    from ...config import AdminSettings

NONE: Parameters = {}
Connection = psycopg.AsyncConnection[Any]
GRACE_SECONDS = 1.0  # the server ends a statement in time, and has this long to say so
CANCEL_SECONDS = 0.5  # for the server to end a statement that nobody waits for any more
LAST_CALL_SECONDS = 0.1


class BoundedConnection(Connection):
    """A connection that ends when the server is silent for longer than `limit`; without one it waits for ever.

    Only its socket is shut: psycopg, which waits for that, finds the connection closed by the server.
    """

    limit: float | None = None
    _end: asyncio.TimerHandle | None = None

    async def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        if self.limit is not None:
            self._end_in(self.limit, self._call_last)
        try:
            return await super().wait(gen, *args, **options)
        finally:
            if self._end is not None:
                self._end.cancel()
                self._end = None

    async def notifies(self, **options: Any) -> AsyncGenerator[psycopg.Notify, None]:
        """What is told to a listener, who waits for as long as it takes."""
        limit, self.limit = self.limit, None
        try:
            async with aclosing(super().notifies(**options)) as told:
                async for notification in told:
                    yield notification
        finally:
            self.limit = limit

    async def cancel_safe(self, **options: Any) -> None:
        """Ask the server to end the statement; `wait` does so when its task is cancelled, and awaits the end."""
        if self._end is not None:
            self._end_in(CANCEL_SECONDS, self._shut)
            options["timeout"] = CANCEL_SECONDS
        await super().cancel_safe(**options)

    def _end_in(self, seconds: float, end: Callable[[], None]) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, end)

    def _call_last(self) -> None:
        """The process itself may have stood still: an answer that is there is read first."""
        self._end_in(LAST_CALL_SECONDS, self._shut)

    def _shut(self) -> None:
        with suppress(psycopg.OperationalError, OSError), socket.socket(fileno=os.dup(self.pgconn.socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)


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
        self.pool: AsyncConnectionPool[BoundedConnection] = AsyncConnectionPool(
            settings.DATABASE_URL.get_secret_value(),
            connection_class=BoundedConnection,
            min_size=settings.DATABASE_POOL_SIZE,
            max_size=settings.DATABASE_POOL_SIZE + settings.DATABASE_POOL_MAX_OVERFLOW,
            timeout=self._timeout,
            kwargs=_parameters(settings),
            configure=self._configure,
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
        except QueryCanceled as error:  # the connection is well
            raise TooSlow("database") from error
        except (psycopg.OperationalError, ReadOnlySqlTransaction, PoolTimeout) as error:
            self._repair_pool()
            raise ServiceUnavailable("database") from error

    async def _configure(self, connection: BoundedConnection) -> None:
        await connection.set_autocommit(True)
        connection.adapters.register_dumper(dict, JsonbDumper)
        connection.limit = self._timeout + GRACE_SECONDS

    def _repair_pool(self) -> None:
        """A restart of the server breaks every connection at once: replace them now, not one a failed request."""
        if self._repair is None or self._repair.done():
            self._repair = asyncio.create_task(self.pool.check())


def _parameters(settings: AdminSettings) -> dict[str, Any]:
    """What there is to say to libpq beside DATABASE_URL, whose own options hold as well."""
    try:
        given = conninfo_to_dict(settings.DATABASE_URL.get_secret_value())
    except psycopg.ProgrammingError:
        given = {}  # nor can libpq read it
    timeout = settings.DATABASE_TIMEOUT_SECONDS
    seconds = max(1, round(timeout))
    silence = {
        "keepalives": 1,
        "keepalives_idle": seconds,
        "keepalives_interval": max(1, seconds // 3),
        "keepalives_count": 3,
        "tcp_user_timeout": seconds * 1000,
    }
    return {
        "application_name": settings.APP_NAME,
        "connect_timeout": max(2, round(timeout)),
        "options": f"{given.get('options', '')} -c statement_timeout={round(timeout * 1000)}".lstrip(),
        **{name: value for name, value in silence.items() if name not in given},
    }
