"""Connections to PostgreSQL: bounded in time, safe behind a transaction pooler, with readable reasons for failures."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, LiteralString, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import Row, scalar_row

from ..interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from psycopg.abc import RV, Params, PQGen

    from ...config import AdminSettings

Connection = psycopg.AsyncConnection[Any]
GRACE_SECONDS = 1.0  # for the server to report that it ended a statement
CANCEL_SECONDS = 0.5  # for the server to end a cancelled statement
LAST_READ_SECONDS = 0.1
TRIES = 5  # a busy pooler sometimes gives a connection another session
BACKEND = "SELECT pg_backend_pid()"
# Equal for two URLs of the same database.
IDENTITY = "SELECT (current_database(), pg_postmaster_start_time())::text"
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
    """A connection that ends when the server is silent for GRACE_SECONDS longer than `limit` seconds.

    It only shuts down the socket: psycopg then finds that the server closed the connection.
    """

    limit: float
    _end: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(  # type: ignore[override]  # with additional arguments
        cls,
        conninfo: str = "",
        *,
        limit: float,
        on_failure: Callable[[psycopg.Error], None] | None = None,
        **options: Any,
    ) -> Self:
        """Connect. `on_failure` receives the error, which the pool only logs."""
        try:
            connection = await super().connect(conninfo, **options)
        except psycopg.Error as error:
            if on_failure is not None:
                on_failure(error)
            raise
        connection.limit = limit
        return connection

    async def wait(self, gen: PQGen[RV], *args: Any, **options: Any) -> RV:
        if "timeout" not in options:  # `notifies` gives its own
            self._end_in(self.limit + GRACE_SECONDS, self._allow_last_read)
        try:
            return await super().wait(gen, *args, **options)
        finally:
            if self._end is not None:
                self._end.cancel()
                self._end = None

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
        async with connection.pipeline():
            limit = (str(_milliseconds(connection.limit)),)
            await psycopg.AsyncCursor(connection).execute("SELECT set_config('statement_timeout', %s, true)", limit)
            await super().execute(query, params, **options)
        return self


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def connection_options(settings: AdminSettings, url: str, *, pooled: bool) -> dict[str, Any]:
    """Options for the connections of a process to `url`; `pooled` for a transaction pooler."""
    limit = settings.DATABASE_TIMEOUT_SECONDS
    options = {"application_name": settings.APP_NAME, "limit": limit, **network_options(settings, url)}
    if pooled:
        return options | {"prepare_threshold": None, "cursor_factory": TransactionCursor}
    given = _parameters(url).get("options", "")
    return options | {"options": f"{given} -c statement_timeout={_milliseconds(limit)}".lstrip()}


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

    async def connect(name: str, url: str, *, pooled: bool) -> Connection:
        options = connection_options(settings, url, pooled=pooled)
        try:
            connection = await BoundedConnection.connect(url, autocommit=True, row_factory=scalar_row, **options)
        except psycopg.Error as error:
            raise ServiceUnavailable("database", failure_reason(str(error), name)) from None
        stack.push_async_callback(connection.close)
        return connection

    given = ("DATABASE_URL", settings.DATABASE_URL.get_secret_value())
    pooled = settings.DATABASE_POOLER is not None
    mode: Literal["session", "transaction"] | None = None
    direct: Literal["ok", "another database", "a pooler"] | None = None
    async with AsyncExitStack() as stack:
        first = await connect(*given, pooled=pooled)
        limit = await _value(first, "SELECT setting::integer FROM pg_settings WHERE name = 'statement_timeout'")
        if await _is_pooled(first):
            second = await connect(*given, pooled=pooled)
            mode = "transaction" if await _share_session(first, second) else "session"
        if settings.DATABASE_DIRECT_URL is not None:
            straight = await connect(*settings.direct_database, pooled=False)
            direct = "a pooler" if await _is_pooled(straight) else "ok"
            if await _value(first, IDENTITY) != await _value(straight, IDENTITY):
                direct = "another database"
    return Route(mode, limit == _milliseconds(settings.DATABASE_TIMEOUT_SECONDS), direct)


async def _is_pooled(connection: Connection) -> bool:
    """A pooler gives clients its own process numbers, for cancelling; the server reports that of the session."""
    return bool(await _value(connection, BACKEND) != connection.info.backend_pid)


async def _share_session(first: Connection, second: Connection) -> bool:
    """Whether two open connections get the same session, which session mode excludes."""
    seen = set()
    try:
        for _ in range(TRIES):
            seen.add(await _value(first, BACKEND))
            if await _value(second, BACKEND) in seen:
                return True
    except psycopg.OperationalError:  # the first holds the only session
        return False
    return len(seen) > 1


async def _value(connection: Connection, query: LiteralString) -> Any:
    return await (await connection.execute(query)).fetchone()
