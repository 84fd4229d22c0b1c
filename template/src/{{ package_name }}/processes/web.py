"""The web process: it serves HTTP by itself (rule 7.1), one process a container, and stops without losing a request."""

from __future__ import annotations

import asyncio
import socket

import structlog
import uvicorn

from ..app import create_app
from ..config import Settings
from ..observability.metrics import tell_started

log = structlog.get_logger()


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
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # TRUSTED_PROXIES says whose are believed, and app.py sees to it
                timeout_graceful_shutdown=round(settings.SHUTDOWN_GRACE_SECONDS) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port, *_ = self.servers[0].sockets[0].getsockname()
            log.info("listening", host=host, port=port, startup_seconds=tell_started(self._settings, "web"))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.draining.set()
        await asyncio.sleep(self._settings.SHUTDOWN_DELAY_SECONDS)
        await super().shutdown(sockets)
        self._captured_signals.clear()  # uvicorn would raise them again: a stop that was asked for is no failure


def main(settings: Settings) -> None:
    Server(settings).run()
