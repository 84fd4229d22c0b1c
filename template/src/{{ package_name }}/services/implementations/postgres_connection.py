"""Connections to PostgreSQL: bounded in time, safe behind a transaction pooler, with readable reasons for failures."""

from __future__ import annotations

import asyncio
import os
import re
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
GRACE_SECONDS = 1.0  # for the server to report that it ended a statement
CANCEL_SECONDS = 0.5  # for the server to end a cancelled statement
LAST_READ_SECONDS = 0.1
POOLER_IN_FRONT = "a connection pooler stands in front of the database: set DATABASE_POOLER=transaction"
READ_ONLY = "it accepts no writes: it is a standby, or read-only"
# The first pattern that matches decides. Names that the server quotes are shown; no other part of a URL is.
_REASONS = {
    r"unsupported startup parameter(?: in options)?: \"?(?!options\b)(?P<name>\w+)": (
        "the connection pooler rejects the parameter {name}: remove it from {setting}"
    ),
    r"unsupported startup parameter|command-line options": POOLER_IN_FRONT,
    r"server does not support SSL": "the server offers no TLS, which sslmode in {setting} requires",
    r"certificate verify failed|self.signed certificate|root certificate|does not match host name|has expired": (
        "the server's TLS certificate is not trusted: check sslmode and sslrootcert in {setting}"
    ),
    r"no pg_hba\.conf entry[^\n]*SSL encryption|pg_hba\.conf rejects": (
        "the server's pg_hba.conf admits no such user, database and client address"
    ),
    r"no encryption|SSL required|connection is insecure|requires? (?:SSL|TLS)|(?:SSL|TLS) connection is required": (
        "the server rejects connections without TLS: add sslmode=require to {setting}"
    ),
    r"no password supplied": "the server requires a password, and {setting} has none",
    r"(?:password|SASL|SCRAM) authentication failed|auth_failed|wrong password": (
        "the server rejects the user or the password of {setting}"
    ),
    r"database \"(?P<name>[^\"]*)\" does not exist|no such database:? (?P<other>\S+)": (
        'the database "{name}" does not exist: create it, or correct {setting}'
    ),
    r"role \"(?P<name>[^\"]*)\" does not exist|no such user:? (?P<other>\S+)": (
        'the user "{name}" does not exist: create it, or correct {setting}'
    ),
    r"too many (?:clients|connections)|remaining connection slots|no more connections allowed": (
        "the server has no connection left: raise its max_connections, or lower DATABASE_POOL_SIZE"
    ),
    r"session is (?:not )?read-only|server is (?:not )?in hot standby": (
        "no host of {setting} matches its target_session_attrs"
    ),
    r"invalid (?P<name>\w+) value": "{setting} has an invalid value for {name}",
    r"invalid URI query parameter: \"(?P<name>\w+)\"": (
        "{setting} has the parameter {name}, which PostgreSQL does not know: remove it"
    ),
    r"(?:FATAL|ERROR):\s+(?P<name>[^\n]+)": "{name}",
    r"Connection refused": "nothing listens at the host and port of {setting}",
    r"resolve host|Name or service not known|translate host name": "the host of {setting} is unknown",
    r"timeout|timed out": "the host of {setting} does not answer",
    r"No route to host|[Uu]nreachable": "the network has no route to the host of {setting}",
    r"No such file or directory": "there is no socket at the path in {setting}",
    r"closed the connection|Connection reset|invalid response|unexpected eof": (
        "the connection was closed at once: something other than PostgreSQL may listen there"
    ),
}


def failure_reason(message: str, setting: str = "DATABASE_URL") -> str:
    """Why a connection failed, in one sentence, from the error's text; `setting` is the setting with the URL."""
    for pattern, sentence in _REASONS.items():
        if found := re.search(pattern, message):
            groups = found.groupdict()
            name = groups.get("name") or groups.get("other") or ""
            return sentence.format(setting=setting, name=name.strip())
    return f"check the form of {setting}"


class BoundedConnection(Connection):
    """A connection that ends when the server is silent for longer than `limit` seconds; `None` waits forever.

    It only shuts down the socket: psycopg then finds that the server closed the connection.
    """

    limit: float | None = None
    statement_timeout = 0  # in milliseconds; 0 if the session has it
    _end: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(  # type: ignore[override]  # with an additional argument
        cls, conninfo: str = "", *, on_failure: Callable[[psycopg.Error], None] | None = None, **options: Any
    ) -> Self:
        """Connect. `on_failure` receives the error, which the pool only logs."""
        try:
            return await super().connect(conninfo, **options)
        except psycopg.Error as error:
            if on_failure is not None:
                on_failure(error)
            raise

    async def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        if self.limit is not None:
            self._end_in(self.limit, self._allow_last_read)
        try:
            return await super().wait(gen, *args, **options)
        finally:
            if self._end is not None:
                self._end.cancel()
                self._end = None

    async def notifies(self, **options: Any) -> AsyncGenerator[psycopg.Notify, None]:
        """Yield notifications, without a limit on the time between them."""
        limit, self.limit = self.limit, None
        try:
            async with aclosing(super().notifies(**options)) as notifications:
                async for notification in notifications:
                    yield notification
        finally:
            self.limit = limit

    async def cancel_safe(self, **options: Any) -> None:
        """Ask the server to end the statement. `wait` calls this, and awaits the end, when its task is cancelled."""
        if self._end is not None:
            self._end_in(CANCEL_SECONDS, self._shut_down)
            options["timeout"] = CANCEL_SECONDS
        await super().cancel_safe(**options)

    def _end_in(self, seconds: float, end: Callable[[], None]) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = asyncio.get_running_loop().call_later(seconds, end)

    def _allow_last_read(self) -> None:
        """This process itself may have been suspended: read an answer that has arrived first."""
        self._end_in(LAST_READ_SECONDS, self._shut_down)

    def _shut_down(self) -> None:
        with suppress(psycopg.OperationalError, OSError), socket.socket(fileno=os.dup(self.pgconn.socket)) as ours:
            ours.shutdown(socket.SHUT_RDWR)


class TransactionCursor(psycopg.AsyncCursor[Row]):
    """Sends the time limit with each statement, in one round trip and transaction, since a pooler keeps no session.

    The server runs everything before a Sync message in one implicit transaction, so a single statement stays one.
    """

    async def execute(self, query: Any, params: Params | None = None, **options: Any) -> Self:
        connection = self.connection
        assert isinstance(connection, BoundedConnection)  # noqa: S101 - only these use this cursor
        if not connection.statement_timeout:
            return await super().execute(query, params, **options)
        async with connection.pipeline():
            limit = (str(connection.statement_timeout),)
            await psycopg.AsyncCursor(connection).execute("SELECT set_config('statement_timeout', %s, true)", limit)
            await super().execute(query, params, **options)
        return self


def connection_options(settings: AdminSettings, url: str, *, pooled: bool) -> dict[str, Any]:
    """Options for the connections of a process to `url`; `pooled` for a transaction pooler."""
    options = {"application_name": settings.APP_NAME, **network_options(settings, url)}
    if pooled:
        return options | {"prepare_threshold": None, "cursor_factory": TransactionCursor}
    limit = f"-c statement_timeout={round(settings.DATABASE_TIMEOUT_SECONDS * 1000)}"
    return options | {"options": f"{_parameters(url).get('options', '')} {limit}".lstrip()}


def network_options(settings: AdminSettings, url: str) -> dict[str, Any]:
    """Timeouts, keepalives and the choice between several hosts, except those that `url` sets itself."""
    given = _parameters(url)
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


def _parameters(url: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(url)
    except psycopg.ProgrammingError:  # libpq reports it on connecting
        return {}
