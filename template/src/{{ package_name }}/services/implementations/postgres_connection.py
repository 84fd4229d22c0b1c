"""Connections to PostgreSQL: bounded in time, and safe behind a pooler that gives each transaction another session."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import Row

if TYPE_CHECKING:
    from psycopg.abc import RV, Params, PQGen

    from ...config import AdminSettings

Connection = psycopg.AsyncConnection[Any]
GRACE_SECONDS = 1.0  # the server ends a statement in time, and has this long to say so
CANCEL_SECONDS = 0.5  # for the server to end a statement that nobody waits for any more
LAST_CALL_SECONDS = 0.1


class BoundedConnection(Connection):
    """A connection that ends when the server is silent for longer than `limit`; without one it waits for ever.

    Only its socket is shut: psycopg, which waits for that, finds the connection closed by the server.
    """

    limit: float | None = None
    statement_timeout = 0  # in milliseconds; 0 where the session has it
    _end: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(  # type: ignore[override]  # with an argument more
        cls, conninfo: str = "", *, on_failure: Callable[[psycopg.Error], None] | None = None, **options: Any
    ) -> Self:
        """Connect; `on_failure` gets the reason why that failed, which the pool would only log."""
        try:
            return await super().connect(conninfo, **options)
        except psycopg.Error as error:
            if on_failure is not None:
                on_failure(error)
            raise

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
        """The notifications as they come, however long they take."""
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


class TransactionCursor(psycopg.AsyncCursor[Row]):
    """Sends the time limit along with each statement, in one round trip and transaction: a pooler keeps no session.

    A single statement stays one: the server runs what comes before one Sync message in one implicit transaction.
    """

    async def execute(self, query: Any, params: Params | None = None, **options: Any) -> Self:
        connection = self.connection
        assert isinstance(connection, BoundedConnection)  # noqa: S101 - which alone makes these
        if not connection.statement_timeout:
            return await super().execute(query, params, **options)
        async with connection.pipeline():
            limit = (str(connection.statement_timeout),)
            await psycopg.AsyncCursor(connection).execute("SELECT set_config('statement_timeout', %s, true)", limit)
            await super().execute(query, params, **options)
        return self


def parameters(settings: AdminSettings, address: str, *, pooled: bool) -> dict[str, Any]:
    """Options of the connections of a process, beside those of `address`; `pooled` for one through a pooler."""
    options = {"application_name": settings.APP_NAME, **reach(settings, address)}
    if pooled:
        return options | {"prepare_threshold": None, "cursor_factory": TransactionCursor}
    limit = f"-c statement_timeout={round(settings.DATABASE_TIMEOUT_SECONDS * 1000)}"
    return options | {"options": f"{_given(address).get('options', '')} {limit}".lstrip()}


def reach(settings: AdminSettings, address: str) -> dict[str, Any]:
    """How long to try a host, when to give a silent one up, and which of several to take, unless `address` says so."""
    given = _given(address)
    hosts = str(given.get("host") or "").count(",") + 1
    seconds = max(1, round(settings.DATABASE_TIMEOUT_SECONDS))
    options = {
        "connect_timeout": max(2, round(settings.DATABASE_TIMEOUT_SECONDS / hosts)),
        "keepalives": 1,
        "keepalives_idle": seconds,
        "keepalives_interval": max(1, seconds // 3),
        "keepalives_count": 3,
        "tcp_user_timeout": seconds * 1000,
        **({"target_session_attrs": "read-write"} if hosts > 1 else {}),
    }
    return {name: value for name, value in options.items() if name not in given}


def _given(address: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(address)
    except psycopg.ProgrammingError:  # libpq says so on connecting, too
        return {}
