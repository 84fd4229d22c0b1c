"""Liveness, readiness and metrics of a process (rule 7.1), and heartbeats of those that serve no user.

Liveness touches no service: a restart does not repair a database.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client import REGISTRY, generate_latest
from pydantic import BaseModel

from ..routing import route_path
from ..services.interfaces import ServiceUnavailable
from .metrics import record_usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
    from typing import Any

    from starlette.types import Receive, Scope, Send

    from ..services.container import ServiceContainer
    from ..services.interfaces import Database, Service

    Allows = Callable[[str | None, Mapping[str, str]], Coroutine[Any, Any, bool]]
    Refresh = Callable[[ServiceContainer], Awaitable[None]]

log = structlog.get_logger()


class DirectRoute(APIRoute):
    """Calls its endpoint with the request, and sends the response that it returns.

    FastAPI's dependencies and its check of the response would take a third of the time of a probe.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await super().handle(scope, receive, send)  # 405
            return
        response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)


health_router = APIRouter(
    tags=["health"], route_class=DirectRoute, generate_unique_id_function=lambda route: route.name
)
metrics_router = APIRouter(tags=["health"])

PROBES = frozenset({"/health", "/ready", "/metrics"})
NEEDED = ("database", "cache")
PING_SECONDS = 2.0
HEARTBEAT_SECONDS = 60.0  # a process seen within these runs; a scheduler may sleep for half of them


def is_probe(scope: MutableMapping[str, Any]) -> bool:
    """Whether an ASGI connection is a request for health, readiness or metrics."""
    return scope["type"] == "http" and route_path(scope) in PROBES


class HealthSource(Protocol):
    """A process as its probes see it, at `app.state.health`. A method raises `TimeoutError` if the process hangs."""

    async def check_alive(self) -> None: ...

    async def checks(self) -> dict[str, str]:
        """The result of each check of readiness: `ok`, or what is wrong."""
        ...

    async def metrics(self, client: str | None, headers: Mapping[str, str]) -> bytes | None:
        """The metrics; `None` if a request with these headers, from the address `client`, may not read them."""
        ...


class ProcessHealth:
    """The process of the running event loop. `stopping` is set when it stops; `refresh` runs before each scrape."""

    def __init__(
        self, services: ServiceContainer, stopping: asyncio.Event, allows: Allows, refresh: Refresh | None = None
    ) -> None:
        self._services = services
        self._stopping = stopping
        self._allows = allows
        self._refresh = refresh

    async def check_alive(self) -> None:
        """Nothing to check: the loop runs this."""

    async def checks(self) -> dict[str, str]:
        checks = await check_services(self._services)
        if self._services.toolbox.is_broken:
            checks["tools"] = "broken"
        return {**checks, "process": "stopping"} if self._stopping.is_set() else checks

    async def metrics(self, client: str | None, headers: Mapping[str, str]) -> bytes | None:
        if not await self._allows(client, headers):
            return None
        record_usage(self._services)
        if self._refresh is not None:
            await self._refresh(self._services)
        return generate_latest(REGISTRY)


class Health(BaseModel):
    status: str
    version: str
    timestamp: datetime


class Readiness(BaseModel):
    status: str
    checks: dict[str, str]


@health_router.get("/health", response_model=Health, response_description="The process is alive.")
async def health(request: Request) -> Response:
    """The process runs and answers."""
    await request.app.state.health.check_alive()
    version = request.app.state.settings.APP_VERSION
    return _answer(Health(status="healthy", version=version, timestamp=datetime.now(UTC)))


@health_router.get(
    "/ready",
    response_model=Readiness,
    response_description="Requests can be sent here.",
    responses={503: {"model": Readiness, "description": "Send no requests here now."}},
)
async def ready(request: Request) -> Response:
    """The process can do its work: it is not about to stop, its tools work, and the database and the cache answer."""
    checks: dict[str, str] = await request.app.state.health.checks()
    good = all(result == "ok" for result in checks.values())
    return _answer(Readiness(status="ready" if good else "not ready", checks=checks), 200 if good else 503)


def _answer(document: Health | Readiness, status: int = 200) -> Response:
    return Response(document.model_dump_json(), status, media_type="application/json")


@metrics_router.get(
    "/metrics",
    response_class=Response,
    response_description="Every metric of the process.",
    responses={200: {"content": {CONTENT_TYPE.partition(";")[0]: {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """The metrics of this process, in the text format of Prometheus."""
    host = request.client.host if request.client else None
    exposition = await request.app.state.health.metrics(host, request.headers)
    if exposition is None:
        raise HTTPException(403, "Send METRICS_TOKEN, or set METRICS_OPEN=true for private addresses.")
    return Response(exposition, media_type=CONTENT_TYPE)


async def check_services(services: ServiceContainer) -> dict[str, str]:
    """Ping the services that every request needs, concurrently. Changes are logged with their reason."""
    needed = {name: services.by_name[name] for name in NEEDED}
    faults = dict(zip(needed, await asyncio.gather(*map(_fault, needed.values())), strict=True))
    for name, reason in faults.items():
        if reason and reason != services.faults.get(name):
            log.warning("backing_service_unavailable", backing_service=name, reason=reason)
        elif not reason and services.faults.get(name):
            log.info("backing_service_recovered", backing_service=name)
    services.faults = faults
    return {name: "unavailable" if reason else "ok" for name, reason in faults.items()}


async def _fault(service: Service) -> str | None:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await service.ping()
    except ServiceUnavailable as error:
        return error.reason or str(error)
    except TimeoutError:
        return f"no answer within {PING_SECONDS:g} s"
    return None


async def record_heartbeat(database: Database, process: str) -> None:
    """Record that a process of this type runs. However many run, a row is written every 5 seconds at most."""
    await database.execute(
        """
        INSERT INTO processes_seen (process) VALUES (%(process)s)
        ON CONFLICT (process) DO UPDATE SET seen_at = now() WHERE processes_seen.seen_at < now() - interval '5 s'
        """,
        {"process": process},
    )
