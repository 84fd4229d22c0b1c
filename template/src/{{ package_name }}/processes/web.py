"""The web process: it serves HTTP by itself (rule 7.1), one process a container, and stops without losing a request."""

from __future__ import annotations

import asyncio
import json
import socket

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..app import create_app
from ..config import Settings
from ..observability.metrics import tell_started
from ..observability.requests import OTHER, REQUESTS
from ..problems import MEDIA_TYPE
from ..security.headers import HEADERS

log = structlog.get_logger()


class Protocol(HttpToolsProtocol):
    """Answers what cannot be read as HTTP, and so never comes to the application, as that would answer it."""

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
                host=settings.HOST,
                port=settings.PORT,
                http=Protocol,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # TRUSTED_PROXIES says whose are believed, and app.py sees to it
                timeout_graceful_shutdown=round(settings.SHUTDOWN_GRACE_SECONDS) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            if not self.lifespan.should_exit:  # or the application has said why
                address = f"{self._settings.HOST}:{self._settings.PORT}"
                log.critical("cannot start", reason=f"it cannot listen at {address}: something else may do so")
            raise
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
    Server(settings).run()
