"""The health server of a process without an API of its own: /health, /ready and /metrics on METRICS_PORT.

It runs in a thread with its own event loop: it reports a process whose loop hangs, and no scrape waits for a task.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import uvicorn
from fastapi import FastAPI

from .. import problems
from ..observability.access_log import RequestLogMiddleware
from ..observability.health import health_router, metrics_router
from ..routing import HeadMiddleware, serve_either_slash
from ..security.headers import SecurityHeadersMiddleware
from ..sockets import bind
from .http_protocol import Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Coroutine, Iterator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from ..config import Settings
    from ..observability.health import HealthSource

log = structlog.get_logger()

ANSWER_SECONDS = 5.0  # longer than any check takes
READ_SECONDS = 5.0  # for the headers of a request
STOP_SECONDS = 2.0

Answer = TypeVar("Answer")


class LoopHealth:
    """Asks `source` in the event loop that runs now. Raises `TimeoutError` after ANSWER_SECONDS."""

    def __init__(self, source: HealthSource) -> None:
        self._source = source
        self._loop = asyncio.get_running_loop()

    async def check_alive(self) -> None:
        await self._ask(self._source.check_alive())

    async def checks(self) -> dict[str, str]:
        return await self._ask(self._source.checks())

    async def metrics(self, client: str | None, headers: Mapping[str, str]) -> bytes | None:
        return await self._ask(self._source.metrics(client, headers))

    async def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        future = asyncio.run_coroutine_threadsafe(question, self._loop)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asyncio.wrap_future(future)


class _Protocol(Protocol):
    read_seconds = READ_SECONDS


@contextmanager
def serve(settings: Settings, source: HealthSource) -> Iterator[list[socket.socket]]:
    """Serve the probes of `source` while the block runs; yields the listening sockets. Raises `CannotListen`."""
    server = uvicorn.Server(
        uvicorn.Config(
            _app(settings, source),
            http=_Protocol,
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            headers=[("connection", "close")],  # a child forked during a request would keep its connection open
            timeout_graceful_shutdown=1,
        )
    )
    sockets = bind(settings.HOST, settings.METRICS_PORT, "METRICS_PORT")
    for listening in sockets:
        listening.listen()
        host, port, *_ = listening.getsockname()
        log.info("listening", host=host, port=port)
    thread = threading.Thread(target=server.run, args=[sockets], name="health", daemon=True)
    thread.start()
    try:
        yield sockets
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)


def _app(settings: Settings, source: HealthSource) -> FastAPI:
    app = FastAPI(openapi_url=None, telemetry={"tracing": False, "metrics": False, "logs": False})
    app.state.settings = settings
    app.state.health = source
    app.include_router(health_router)
    app.include_router(metrics_router)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(problems.InternalErrorMiddleware, debug=False)
    app.add_middleware(RequestLogMiddleware, measured=False)
    app.add_middleware(SecurityHeadersMiddleware, hsts_seconds=0)
    problems.install(app)
    app.add_exception_handler(TimeoutError, _on_timeout)
    serve_either_slash(app.router)
    return app


async def _on_timeout(_request: Request, _error: Exception) -> Response:
    title, detail = problems.phrase(503), "The process does not respond."
    return problems.answer({"type": "about:blank", "title": title, "status": 503, "detail": detail})
