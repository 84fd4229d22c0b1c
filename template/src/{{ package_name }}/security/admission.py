"""Who makes a request, and whether there is room for it (rule 13.1): decided before anything else is done for it.

A request with valid credentials counts against their subject; any other against the address that it came from. So
whoever guesses at tokens runs out of tries, and nobody is shut out by a stranger behind the same address.
"""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

import structlog

from ..observability.metrics import RATE_LIMIT_UNAVAILABLE, RATE_LIMITED_REQUESTS
from ..problems import Problem, answer
from ..services.interfaces import Quota, ServiceUnavailable
from .tokens import InvalidToken, subject_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..config import Settings
    from ..services.interfaces import RateLimiter

log = structlog.get_logger()

EXEMPT = frozenset({"/health", "/ready", "/metrics"})
BLIND_SECONDS = 1.0  # how long Valkey, once found to be down, is not asked again


def client_of(scope: Scope) -> str:
    """The address that a request came from; of IPv6 the network of 64 bits, which one client has to itself."""
    host: str = (scope.get("client") or ("unknown",))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


class AdmissionMiddleware:
    """Leaves in `scope["identity"]` whose request it is: a subject, or the `InvalidToken` that was given, or `None`.

    Probes and metrics are never refused. Every other response tells what is left of the limit
    (draft-ietf-httpapi-ratelimit-headers).
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._limit = settings.RATE_LIMIT_PER_MINUTE
        self._closed = settings.RATE_LIMIT_WITHOUT_VALKEY == "closed"
        self._blind_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = scope["identity"] = self._identity(scope)
        if not self._limit or scope["path"] in EXEMPT:
            await self.app(scope, receive, send)
            return
        policy, key = ("subject", identity) if isinstance(identity, str) else ("address", client_of(scope))
        try:
            quota = await self._hit(scope["app"].state.services.rate_limiter, f"{policy}:{key}")
        except ServiceUnavailable:
            RATE_LIMIT_UNAVAILABLE.inc()
            await (self._refuse_blindly(scope, receive, send) if self._closed else self.app(scope, receive, send))
            return
        headers = _headers(policy, quota)
        if not quota.allowed:
            RATE_LIMITED_REQUESTS.labels(policy).inc()
            detail = f"There may be {quota.limit} requests in any 60 seconds."
            problem = Problem(429, "rate-limited", "There were too many requests.", detail)
            await answer(problem.document, {**headers, "Retry-After": str(math.ceil(quota.reset_seconds))})(
                scope, receive, send
            )
            return
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *raw]
            await send(message)

        await self.app(scope, receive, send_with_quota)

    def _identity(self, scope: Scope) -> str | InvalidToken | None:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, token = given.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        try:
            return subject_of(self._settings, token.strip())
        except InvalidToken as error:
            return error

    async def _hit(self, limiter: RateLimiter, key: str) -> Quota:
        if time.monotonic() < self._blind_until:
            raise ServiceUnavailable("rate limiter")
        try:
            return await limiter.hit(key, self._limit)
        except ServiceUnavailable:
            self._blind_until = time.monotonic() + BLIND_SECONDS
            log.warning("requests are not limited: Valkey is down", requests="refused" if self._closed else "let pass")
            raise

    async def _refuse_blindly(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(503, "service-unavailable", "A service that this needs is unavailable. Try again later.")
        await answer(problem.document, {"Retry-After": "5"})(scope, receive, send)


def _headers(policy: str, quota: Quota) -> dict[str, str]:
    return {
        "RateLimit-Policy": f'"{policy}";q={quota.limit};w=60',
        "RateLimit": f'"{policy}";r={quota.remaining};t={math.ceil(quota.reset_seconds)}',
    }
