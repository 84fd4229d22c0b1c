"""Gives each request an id, in its logs and its response, and logs how it went (rule 11.1)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("access")

PROBES = frozenset({"/health", "/ready"})
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")


class RequestLogMiddleware:
    """Takes over a caller's `X-Request-ID` where it is short and harmless. Probes are logged at the level DEBUG.

    An error that nothing has handled is logged here, and answered by what `internal_error` makes of it.
    """

    def __init__(self, app: ASGIApp, internal_error: Callable[[Exception], ASGIApp]) -> None:
        self.app = app
        self.internal_error = internal_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex.encode()
        started = time.perf_counter()
        status = 500
        responded = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, responded
            if message["type"] == "http.response.start":
                status = message["status"]
                responded = True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:
                log.exception("request failed", error_type=type(error).__name__)
                if responded:
                    raise
                await self.internal_error(error)(scope, receive, send_with_id)
            finally:
                write = log.debug if scope["path"] in PROBES else log.info
                write(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )
