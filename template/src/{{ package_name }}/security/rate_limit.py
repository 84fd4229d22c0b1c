"""Authenticates each request and applies the rate limit (rule 13.1), before any other work.

A request with valid credentials counts against their subject, any other against the client's address. Credentials are
checked first: failed attempts behind a shared address never block a valid key or token. An address over its limit gets
429 for failed attempts, and its guesses share one query at a time (`api_keys`).
"""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

import structlog
from starlette.datastructures import Headers

from ..observability.health import is_probe
from ..observability.metrics import RATE_LIMIT_UNAVAILABLE, RATE_LIMITED_REQUESTS
from ..problems import Problem, answer
from ..services.interfaces import Quota, ServiceUnavailable
from .audit import client_address
from .tokens import InvalidToken, Principal, bearer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..config import Settings

log = structlog.get_logger()

RETRY_SECONDS = 1.0  # before Valkey is asked again after a failure


def rate_limit_address(host: str) -> str:
    """The part of an address that identifies one client: for IPv6, its /64 network."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else f"{IPv6Address(int(address) >> 64 << 64)}/64"
    return host


class RateLimitMiddleware:
    """Sets `scope["identity"]` to the principal, to the error that its credentials caused, or to `None` without any.

    Probes and metrics are never refused. Other responses state the remaining quota
    (draft-ietf-httpapi-ratelimit-headers).
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._limit = settings.RATE_LIMIT_PER_MINUTE
        self._closed = settings.RATE_LIMIT_WITHOUT_VALKEY == "closed"
        self._retry_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_probe(scope):
            await self.app(scope, receive, send)
            return
        host: str = (scope.get("client") or ("unknown",))[0]
        client_address.set(host)
        try:
            quota_headers = await self._admit(scope, host)
        except Problem as problem:
            await answer(problem.document, problem.headers)(scope, receive, send)
            return

        added = [(name.lower().encode(), value.encode()) for name, value in quota_headers.items()]

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, send_with_quota)

    async def _admit(self, scope: Scope, host: str) -> dict[str, str]:
        """Authenticate and count the request; returns the headers with the quota. Raises `Problem`."""
        scope["identity"] = identity = await _identity(scope)
        if isinstance(identity, ServiceUnavailable) or not self._limit:
            return {}  # credentials that could not be checked may be valid
        if isinstance(identity, Principal):
            policy, key = "subject", identity.subject
        else:
            policy, key = "address", rate_limit_address(host)
        try:
            if time.monotonic() < self._retry_at:
                raise ServiceUnavailable("rate limiter")
            quota: Quota = await scope["app"].state.services.rate_limiter.hit(f"{policy}:{key}", self._limit)
        except ServiceUnavailable as error:
            self._record_unavailable(error)
            if self._closed:
                title = "A service that this needs is unavailable. Try again later."
                raise Problem(503, "service-unavailable", title, headers={"Retry-After": "5"}) from None
            return {}
        reset = str(math.ceil(quota.reset_seconds))
        headers = {
            "RateLimit-Policy": f'"{policy}";q={quota.limit};w=60',
            "RateLimit": f'"{policy}";r={quota.remaining};t={reset}',
        }
        if not quota.allowed:
            RATE_LIMITED_REQUESTS.labels(policy).inc()
            detail = f"There may be {quota.limit} requests in any 60 seconds."
            headers["Retry-After"] = reset
            raise Problem(429, "rate-limited", "There were too many requests.", detail, headers=headers)
        return headers

    def _record_unavailable(self, error: ServiceUnavailable) -> None:
        RATE_LIMIT_UNAVAILABLE.inc()
        if time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            requests = "refused" if self._closed else "allowed"
            log.warning("rate_limit_unavailable", requests=requests, reason=error.reason)


async def _identity(scope: Scope) -> Principal | InvalidToken | ServiceUnavailable | None:
    credentials = bearer(Headers(scope=scope).get("authorization", ""))
    if credentials is None:
        return None
    try:
        principal: Principal = await scope["app"].state.authenticator.principal(credentials)
    except (InvalidToken, ServiceUnavailable) as error:
        return error
    return principal
