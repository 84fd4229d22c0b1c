"""Decides who may read the metrics of a process.

Callers need METRICS_TOKEN, or a token or key with the scope `metrics`. With METRICS_OPEN, and no METRICS_TOKEN,
private addresses need neither.
"""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Self

from ..services.interfaces import ServiceUnavailable
from .audit import FailedLogins, client_address
from .authentication import Authenticator
from .tokens import InvalidToken, Scope, bearer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Settings
    from ..services.interfaces import Database

# Headers that a proxy adds: the connection's address is not the caller's.
FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})


def allowed_by_settings(settings: Settings, client: str | None, headers: Mapping[str, str]) -> bool:
    """Whether METRICS_TOKEN or METRICS_OPEN lets a request in; the names of `headers` are in lower case."""
    if settings.METRICS_TOKEN is not None:
        expected = f"Bearer {settings.METRICS_TOKEN.get_secret_value()}"
        return hmac.compare_digest(headers.get("authorization", "").encode(), expected.encode())
    if not settings.METRICS_OPEN or client is None or not FORWARDED.isdisjoint(headers):
        return False
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return not (mapped or address).is_global  # nor is 100.64.0.0/10, used for pods by some clusters (RFC 6598)


class MetricsAccess:
    """Checks requests for the metrics, in the event loop of the process's database pool. Records failed logins."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._authenticator = Authenticator(settings, database)
        self._failed_logins = FailedLogins(database)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._failed_logins.close()

    async def allows(self, client: str | None, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers, from the address `client`, may read the metrics."""
        if allowed_by_settings(self._settings, client, headers):
            return True
        client_address.set(client)
        credentials = bearer(headers.get("authorization", ""))
        if credentials is None:
            return False
        try:
            principal = await self._authenticator.principal(credentials)
        except InvalidToken as error:
            self._failed_logins.record(str(error))
            return False
        except ServiceUnavailable:
            return False
        return principal.may(Scope.METRICS)
