"""Gives each request an id, in its logs and its response; logs how it went and counts it (rules 11.1 and 13.1)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
from prometheus_client import Counter, Gauge, Histogram

from ..correlation import below

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("access")

PROBES = frozenset({"/health", "/ready", "/metrics"})
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,100}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"  # a caller may send any method, and any path

REQUESTS = Counter(
    "http_requests_total",
    "Requests answered; endpoint is the template of the route, or other.",
    ("method", "endpoint", "status"),
)
DURATION = Histogram(
    "http_request_duration_seconds",
    "How long requests took, to the end of the response.",
    ("method", "endpoint"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
ACTIVE = Gauge("active_connections", "Requests under way.")


class RequestMetricsMiddleware:
    """Counts and times every request to the end of its response. The outermost: nothing passes it by."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def send_and_look(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        ACTIVE.inc()
        try:
            await self.app(scope, receive, send_and_look)
        finally:
            ACTIVE.dec()
            method = scope["method"] if scope["method"] in METHODS else OTHER
            endpoint = endpoint_of(scope)
            REQUESTS.labels(method, endpoint, str(status)).inc()
            DURATION.labels(method, endpoint).observe(time.perf_counter() - started)


def endpoint_of(scope: Scope) -> str:
    """The whole template of the route that took the request, such as /chat/sessions/{session_id}.

    `scope["route"].path` lacks the prefix under which a router is included; FastAPI keeps the whole in a context of the
    route. What no route took, and what an application of another kind did with a path of its own, is one endpoint each.
    """
    mount = scope.get("root_path", "").removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
    route = (scope.get("fastapi") or {}).get("effective_route_context") or scope.get("route")
    if route is not None:
        return f"{mount}{route.path}"
    if mount:
        return f"{mount}/*"
    # A plain route of Starlette, such as /docs, leaves no more behind than that it has no parameters.
    is_plain = scope.get("endpoint") is not None and not scope.get("path_params")
    return str(scope["path"]) if is_plain else OTHER


class RequestLogMiddleware:
    """Takes over a caller's `X-Request-ID` where it is short and harmless, and its `traceparent` (W3C Trace Context).

    Probes are logged at the level DEBUG.

    An error that nothing has handled is logged here, and answered by what `internal_error` makes of it.
    """

    def __init__(self, app: ASGIApp, internal_error: Callable[[Exception], ASGIApp]) -> None:
        self.app = app
        self.internal_error = internal_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex.encode()
        place = below(headers.get(b"traceparent", b"").decode("latin-1"))
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

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode(), **place.log_fields()):
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
