"""Liveness and readiness (rule 7.1). Liveness touches nothing: a database that is down is no reason to be restarted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from ..services.interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from ..services.container import ServiceContainer
    from ..services.interfaces import Service

log = structlog.get_logger()
router = APIRouter(tags=["health"])

NEEDED = ("database", "cache")
PING_SECONDS = 2.0


class Health(BaseModel):
    status: str
    version: str
    timestamp: datetime


class Readiness(BaseModel):
    status: str
    checks: dict[str, str]


@router.get("/health", response_description="The process is alive.")
async def health(request: Request) -> Health:
    """The process runs and answers."""
    return Health(status="healthy", version=request.app.state.settings.APP_VERSION, timestamp=datetime.now(UTC))


@router.get(
    "/ready",
    response_description="Requests can be sent here.",
    responses={503: {"model": Readiness, "description": "Send no requests here now."}},
)
async def ready(request: Request, response: Response) -> Readiness:
    """The process can do its work: it is not about to stop, and the database and the cache answer."""
    state = request.app.state
    checks = await check(state.services)
    if state.turns.draining.is_set():
        checks["process"] = "stopping"
    good = all(result == "ok" for result in checks.values())
    response.status_code = 200 if good else 503
    return Readiness(status="ready" if good else "not ready", checks=checks)


async def check(services: ServiceContainer) -> dict[str, str]:
    """Try out the services that every request needs, at the same time. A change is logged, with its reason."""
    needed = {name: services.by_name[name] for name in NEEDED}
    faults = dict(zip(needed, await asyncio.gather(*(_fault(service) for service in needed.values())), strict=True))
    for name, reason in faults.items():
        if reason != services.faults.get(name):
            if reason:
                log.warning("a backing service is unavailable", backing_service=name, reason=reason)
            else:
                log.info("a backing service is available again", backing_service=name)
    services.faults = faults
    return {name: "unavailable" if reason else "ok" for name, reason in faults.items()}


async def _fault(service: Service) -> str | None:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await service.ping()
    except ServiceUnavailable as error:
        return error.reason or str(error)
    except TimeoutError:
        return f"it does not answer within {PING_SECONDS:g} s"
    return None
