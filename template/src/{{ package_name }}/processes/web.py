"""The web process: it serves HTTP by itself (rule 7.1), one process a container, and stops without losing a request."""

from __future__ import annotations

import asyncio
import json
import socket
import sys

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..app import create_app
from ..config import ConfigurationError, Settings
from ..listening import CannotListen, bind, plain, shown
from ..observability.metrics import tell_started
from ..observability.requests import OTHER, REQUESTS
from ..problems import MEDIA_TYPE
from ..security.headers import HEADERS

log = structlog.get_logger()

CANNOT_START = 1
WRONG_SETTINGS = 2


class Protocol(HttpToolsProtocol):
    """Answers what cannot be read as HTTP, and so never comes to the application, as that would answer it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.client is not None:
            self.client = (plain(self.client[0]), self.client[1])

    def send_400_response(self, msg: str) -> None:
        document = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": msg}
        body = json.dumps(document).encode()
        fields = {**HEADERS, "content-type": MEDIA_TYPE, "content-length": len(body), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{head}\r\n".encode() + body)
        self.transport.close()
        REQUESTS.labels(OTHER, OTHER, "400").inc()
        log.info("a request could not be read", client=self.client[0] if self.client else None)


class Server(uvicorn.Server):
    """uvicorn, which handles the signals; readiness turns 503 first, while requests are still taken."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app = create_app(settings)
        super().__init__(
            uvicorn.Config(
                self._app,
                http=Protocol,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # TRUSTED_PROXIES says whose are believed, and app.py sees to it
                timeout_keep_alive=settings.KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=round(settings.SHUTDOWN_GRACE_SECONDS) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        host, port = self._settings.HOST, self._settings.PORT
        try:
            await super().startup(sockets or bind(host, port, "PORT"))
        except (CannotListen, OSError) as error:  # another process may have begun to listen meanwhile
            reason = str(error) if isinstance(error, CannotListen) else f"PORT: {shown(host, port)} is taken"
            log.critical("cannot start", reason=reason)
            sys.exit(CANNOT_START)
        if self.started:
            host, port, *_ = self.servers[0].sockets[0].getsockname()
            log.info("listening", host=host, port=port, startup_seconds=tell_started(self._settings, "web"))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        turns = self._app.state.turns
        turns.draining.set()
        await asyncio.sleep(self._settings.SHUTDOWN_DELAY_SECONDS)
        # Beside uvicorn's own wait for requests, which includes those that wait for a turn.
        drained = asyncio.create_task(turns.drain(self._settings.SHUTDOWN_GRACE_SECONDS))
        await super().shutdown(sockets)
        await drained
        self._captured_signals.clear()  # uvicorn would raise them again: a stop that was asked for is no failure


def main(settings: Settings) -> None:
    try:
        server = Server(settings)
    except ConfigurationError as error:
        log.critical("cannot start", reason=str(error))
        sys.exit(WRONG_SETTINGS)
    server.run(None if settings.LISTEN_FD is None else [socket.socket(fileno=settings.LISTEN_FD)])
