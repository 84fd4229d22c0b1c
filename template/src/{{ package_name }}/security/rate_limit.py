"""Identifies the caller of a request and applies the rate limit (rule 13.1), before any other work for the request.

A request with valid credentials counts against their subject; any other counts against the address that it came from.
The credentials are checked first, so failures of others behind the same address never refuse a valid key or token. An
address over its limit gets 429 for whatever fails, and its guesses cost one shared query at a time (`keys`).
"""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

import structlog

from ..observability.metrics import RATE_LIMIT_UNAVAILABLE, RATE_LIMITED_REQUESTS
from ..problems import Problem, answer
from ..routing import route_path
from ..services.interfaces import Quota, ServiceUnavailable
from . import tokens
from .audit import client_address
from .tokens import InvalidToken, Principal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..config import Settings

log = structlog.get_logger()

EXEMPT = frozenset({"/health", "/ready", "/metrics"})
BLIND_SECONDS = 1.0  # how long Valkey, once found to be down, is not asked again

Identity = Principal | InvalidToken | ServiceUnavailable | None


def limited_client(host: str) -> str:
    """What one client has to itself of the address that it came from: of IPv6, a network of 64 bits."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


class RateLimitMiddleware:
    """Leaves in `scope["identity"]` whose request it is, or what was wrong with the credentials; `None` without any.

    Probes and metrics are never refused. Every other response tells what is left of the limit
    (draft-ietf-httpapi-ratelimit-headers).
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._limit = settings.RATE_LIMIT_PER_MINUTE
        self._closed = settings.RATE_LIMIT_WITHOUT_VALKEY == "closed"
        self._blind_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        host: str = (scope.get("client") or ("unknown",))[0]
        client_address.set(host)
        try:
            headers = await self._admit(scope, host)
        except _Refused as refused:
            await answer(refused.problem.document, refused.problem.headers)(scope, receive, send)
            return
        if not headers:
            await self.app(scope, receive, send)
            return

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        await self.app(scope, receive, send_with_quota)

    async def _admit(self, scope: Scope, host: str) -> list[tuple[bytes, bytes]]:
        """Identify and count; returns the headers that tell what is left. Raises `_Refused`."""
        state = scope["app"].state
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        credentials = bearer(given.decode("latin-1"))
        identity: Identity = None
        if credentials is not None:
            try:
                identity = await state.authenticator.principal(credentials)
            except (InvalidToken, ServiceUnavailable) as error:
                identity = error
        scope["identity"] = identity
        scope["refused"] = str(identity) if isinstance(identity, InvalidToken) else None
        scope["may_scrape"] = isinstance(identity, Principal) and identity.may(tokens.Scope.METRICS)
        if route_path(scope) in EXEMPT:
            return []
        if isinstance(identity, ServiceUnavailable):
            return []  # nobody knows whether it failed
        policy, key = "address", limited_client(host)
        if isinstance(identity, Principal):
            policy, key = "subject", identity.subject
        quota = await self._count(scope, policy, key)
        return [(name.lower().encode(), value.encode()) for name, value in _headers(policy, quota).items()]

    async def _count(self, scope: Scope, policy: str, key: str) -> Quota | None:
        if not self._limit:
            return None
        try:
            if time.monotonic() < self._blind_until:
                raise ServiceUnavailable("rate limiter")
            quota: Quota = await scope["app"].state.services.rate_limiter.hit(f"{policy}:{key}", self._limit)
        except ServiceUnavailable as error:
            self._tell_blind(error)
            if self._closed:
                title = "A service that this needs is unavailable. Try again later."
                raise _Refused(Problem(503, "service-unavailable", title, headers={"Retry-After": "5"})) from None
            return None
        if not quota.allowed:
            RATE_LIMITED_REQUESTS.labels(policy).inc()
            detail = f"There may be {quota.limit} requests in any 60 seconds."
            headers = {**_headers(policy, quota), "Retry-After": str(math.ceil(quota.reset_seconds))}
            raise _Refused(Problem(429, "rate-limited", "There were too many requests.", detail, headers=headers))
        return quota

    def _tell_blind(self, error: ServiceUnavailable) -> None:
        RATE_LIMIT_UNAVAILABLE.inc()
        if time.monotonic() >= self._blind_until:
            self._blind_until = time.monotonic() + BLIND_SECONDS
            passed = "refused" if self._closed else "let pass"
            log.warning("requests are not limited: Valkey is down", requests=passed, reason=error.reason)


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.document["title"])
        self.problem = problem


def bearer(authorization: str) -> str | None:
    """The credentials in a header `Authorization: Bearer ...`."""
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def _headers(policy: str, quota: Quota | None) -> dict[str, str]:
    if quota is None:
        return {}
    return {
        "RateLimit-Policy": f'"{policy}";q={quota.limit};w=60',
        "RateLimit": f'"{policy}";r={quota.remaining};t={math.ceil(quota.reset_seconds)}',
    }
