"""The web process: it serves HTTP itself (rule 7.1), one per container, and stops without losing a request."""

from __future__ import annotations

import asyncio
import signal
import socket
from types import FrameType

import structlog
import uvicorn

from ..app import create_app
from ..config import Settings
from ..observability.metrics import record_startup
from ..sockets import CannotListen, bind, shown
from .http_protocol import Protocol

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn's server. On a stop, /ready answers 503 first while the server still accepts requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._app = create_app(settings)

        class Limited(Protocol):
            read_seconds = settings.REQUEST_TIMEOUT_SECONDS

        super().__init__(
            uvicorn.Config(
                self._app,
                http=Limited,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # app.py trusts those of TRUSTED_PROXIES only
                timeout_keep_alive=settings.KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=round(settings.SHUTDOWN_GRACE_SECONDS) + 1,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        host, port = self._settings.HOST, self._settings.PORT
        try:
            await super().startup(sockets or bind(host, port, "PORT"))
        except OSError as error:  # another process took the port after `bind`
            raise CannotListen(f"PORT: {shown(host, port)} is taken") from error
        if self.started:
            host, port, *_ = self.servers[0].sockets[0].getsockname()
            log.info("listening", host=host, port=port, startup_seconds=record_startup(self._settings, "web"))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        supervisor = self._app.state.supervisor
        supervisor.draining.set()
        await asyncio.sleep(self._settings.SHUTDOWN_DELAY_SECONDS)
        # While uvicorn waits for its requests, some of which wait for these turns.
        drained = asyncio.create_task(supervisor.drain(self._settings.SHUTDOWN_GRACE_SECONDS))
        await super().shutdown(sockets)
        await drained

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Begin to stop; a second SIGINT skips the wait. uvicorn's own would raise the signal again after the stop."""
        self.force_exit = self.force_exit or (self.should_exit and sig == signal.SIGINT)
        self.should_exit = True


def main(settings: Settings) -> None:
    Server(settings).run(None if settings.LISTEN_FD is None else [socket.socket(fileno=settings.LISTEN_FD)])
