"""Health, readiness and metrics of a process that serves nothing else: /health, /ready and /metrics on METRICS_PORT.

Served by a thread, which asks the process in its own event loop: a loop that hangs is seen, and a scrape never waits
behind a task.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from ..sockets import bind, plain
from . import metrics
from .health import check
from .metrics_exposition import may_scrape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping

    from ..config import Settings
    from ..services.container import ServiceContainer

    Look = Callable[[ServiceContainer], Awaitable[None]]
    Allows = Callable[[str, str], Coroutine[Any, Any, bool]]

log = structlog.get_logger()

ANSWER_SECONDS = 5.0  # more than any check takes that ends by itself
READ_SECONDS = 5.0  # for a request to come in


class HealthSource(Protocol):
    """What a process tells of itself, asked from another thread. Each may raise `TimeoutError`: the process hangs."""

    def check_alive(self) -> None: ...

    def checks(self) -> dict[str, str]:
        """The checks of readiness: `ok`, or what is wrong."""
        ...

    def allows(self, authorization: str, client: str) -> bool:
        """Whether that header, from that address, bears a token or key with the scope `metrics`."""
        ...

    def exposition(self) -> bytes: ...


class LoopHealth:
    """Of a process with an event loop, which is the one running now. `stop` is set once the process shall end.

    `allows` tells whose credentials have the scope `metrics`; `look` is awaited before each scrape.
    """

    def __init__(
        self, services: ServiceContainer, stop: asyncio.Event, allows: Allows, look: Look | None = None
    ) -> None:
        self._services = services
        self._stop = stop
        self._allows = allows
        self._look = look
        self._loop = asyncio.get_running_loop()

    def check_alive(self) -> None:
        self._ask(asyncio.sleep(0))

    def checks(self) -> dict[str, str]:
        checks: dict[str, str] = self._ask(check(self._services))
        return {**checks, "process": "stopping"} if self._stop.is_set() else checks

    def allows(self, authorization: str, client: str) -> bool:
        admitted: bool = self._ask(self._allows(authorization, client))
        return admitted

    def exposition(self) -> bytes:
        self._ask(self._prepare())
        return metrics.exposition()

    async def _prepare(self) -> None:
        metrics.record_pool_usage(self._services.database)
        if self._look is not None:
            await self._look(self._services)

    def _ask(self, question: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return future.result(ANSWER_SECONDS)
        except TimeoutError:
            future.cancel()
            raise


@contextmanager
def serve(settings: Settings, vitals: HealthSource, headers: Mapping[str, str]) -> Iterator[None]:
    """Serve while the block runs; every answer bears the headers. Raises `CannotListen`."""

    class Handler(_Handler):
        pass

    Handler.settings = settings
    Handler.vitals = vitals
    Handler.added_headers = headers
    with ExitStack() as stack:
        for listening in bind(settings.HOST, settings.METRICS_PORT, "METRICS_PORT"):
            host, port, *_ = stack.enter_context(_serving(_Server(listening, Handler)))
            log.info("listening", host=host, port=port)
        yield


@contextmanager
def _serving(server: _Server) -> Iterator[tuple[Any, ...]]:
    """Serve while the block runs; yields the address."""
    server.server_activate()
    os.register_at_fork(after_in_child=server.socket.close)  # else the port would outlive this process
    threading.Thread(target=server.serve_forever, name="vitals", args=(0.1,), daemon=True).start()
    try:
        yield server.socket.getsockname()
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    """Serves what comes in by a socket that is bound already."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, bound: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(bound.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the signature is theirs
        """Callers who hang up are no news; the standard library would print a traceback."""
        log.debug("a request on METRICS_PORT broke off", error=repr(sys.exception()))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = READ_SECONDS
    settings: Settings
    vitals: HealthSource
    added_headers: Mapping[str, str]

    def handle_one_request(self) -> None:
        """With a deadline for the whole request: `timeout` is one for each of its parts."""
        self._deadline = threading.Timer(READ_SECONDS, self.connection.shutdown, [socket.SHUT_RD])
        self._deadline.daemon = True
        self._deadline.start()
        try:
            super().handle_one_request()
        finally:
            self._deadline.cancel()

    def parse_request(self) -> bool:
        good = super().parse_request()
        self._deadline.cancel()
        return good

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        try:
            status, document = {"/health": self._health, "/ready": self._ready, "/metrics": self._metrics}.get(
                path, self._unknown
            )()
        except TimeoutError:
            status, document = 503, {"status": "the process does not answer"}
        except Exception:
            log.exception("cannot answer", path=path)
            status, document = 500, {"status": "failed"}
        self._answer(status, document)
        log.debug("request", method=self.command, path=path, status=status)

    do_HEAD = do_GET  # noqa: N815 - the name is theirs; `_answer` leaves the body out

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What is neither GET nor HEAD, or no HTTP; the standard library would answer a page that names its version."""
        self.close_connection = True
        self._answer(code, {"status": "refused"})

    def _answer(self, status: int, document: dict[str, Any] | bytes) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        kind = metrics.CONTENT_TYPE if isinstance(document, bytes) else "application/json"
        self.send_response_only(status)
        for name, value in {**self.added_headers, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _health(self) -> tuple[int, dict[str, Any]]:
        self.vitals.check_alive()
        now = datetime.now(UTC).isoformat()
        return 200, {"status": "healthy", "version": self.settings.APP_VERSION, "timestamp": now}

    def _ready(self) -> tuple[int, dict[str, Any]]:
        checks = self.vitals.checks()
        good = all(result == "ok" for result in checks.values())
        return (200 if good else 503), {"status": "ready" if good else "not ready", "checks": checks}

    def _metrics(self) -> tuple[int, dict[str, Any] | bytes]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        client, authorization = plain(self.client_address[0]), headers.get("authorization")
        if not may_scrape(self.settings, client, headers) and not (
            authorization and self.vitals.allows(authorization, client)
        ):
            return 403, {"status": "refused"}
        return 200, self.vitals.exposition()

    def _unknown(self) -> tuple[int, dict[str, Any]]:
        return 404, {"status": "there are /health, /ready and /metrics"}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is theirs
        """Said in `do_GET`; the standard library would print it."""
