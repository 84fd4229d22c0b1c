"""The web application (rules 6.1 and 7.1): everything that a request needs, put together."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from . import problems
from .agent.routes import router as agent_router
from .chat.routes import router as chat_router
from .chat.service import ChatService
from .chat.turns import Turns
from .docs import add_docs
from .guard import listed
from .observability.health import router as health_router
from .observability.requests import RequestLogMiddleware, RequestMetricsMiddleware
from .observability.scraping import router as metrics_router
from .security.admission import AdmissionMiddleware
from .security.authentication import Authenticated, Authenticator
from .security.headers import SecurityHeadersMiddleware
from .security.limits import JsonOnly, RequestLimitsMiddleware
from .security.refusals import Refusals
from .services.container import ServiceContainer
from .services.interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from .config import Settings

log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The application, its services not yet opened: they live as long as its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        began = time.perf_counter()
        try:
            async with ServiceContainer(settings) as services, Turns(settings, services) as turns:
                app.state.services = services
                app.state.draining = turns.draining
                app.state.authenticator = Authenticator(settings, services.database)
                app.state.refusals = Refusals(services.database)
                app.state.chat = ChatService(settings, services, turns)
                log.info("started", seconds=round(time.perf_counter() - began, 3))
                yield
                await turns.drain(settings.SHUTDOWN_GRACE_SECONDS)
                await app.state.refusals.close()
        except ServiceUnavailable as error:
            log.critical("cannot start", reason=str(error))
            raise
        except Exception:
            log.exception("cannot start")
            raise
        log.info("stopped")

    app = FastAPI(
        title=settings.APP_NAME,
        version=settings.APP_VERSION,
        lifespan=lifespan,
        openapi_url="/openapi.json" if settings.DOCS_ENABLED else None,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.settings = settings
    _add_middleware(app, settings)
    problems.install(app)
    app.include_router(health_router)
    app.include_router(metrics_router, responses=problems.responses(403))
    app.include_router(chat_router, dependencies=[JsonOnly])
    # Whoever forgets to ask for the owner in a route of the agent has not opened it to the world.
    app.include_router(
        agent_router, dependencies=[Authenticated, JsonOnly], responses=problems.responses(401, 403, 422, 429, 503)
    )
    if settings.DOCS_ENABLED:
        add_docs(app)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The innermost first: what comes later sees a request earlier, and its response later."""
    app.add_middleware(RequestLimitsMiddleware, settings=settings)
    app.add_middleware(AdmissionMiddleware, settings=settings)
    if settings.CORS_ORIGINS:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=listed(settings.CORS_ORIGINS),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Idempotency-Key", "Last-Event-ID", "Prefer", "X-Request-ID"],
            expose_headers=["Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(RequestLogMiddleware, internal_error=partial(problems.internal_error, debug=settings.DEBUG))
    app.add_middleware(RequestMetricsMiddleware)
    app.add_middleware(SecurityHeadersMiddleware, hsts_seconds=settings.HSTS_SECONDS)
    if settings.TRUSTED_PROXIES:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=listed(settings.TRUSTED_PROXIES))
