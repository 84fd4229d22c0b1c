"""Who may read the metrics of worker and scheduler by a token or key with the scope `metrics`, as on web."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..services.interfaces import ServiceUnavailable
from .admission import bearer, limited_client
from .authentication import Authenticator
from .tokens import InvalidToken, Scope

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer


class Scrapers:
    """Asked in the event loop of the process whose metrics they want."""

    def __init__(self, settings: Settings, services: ServiceContainer) -> None:
        self._limit = settings.RATE_LIMIT_PER_MINUTE
        self._open_without_valkey = settings.RATE_LIMIT_WITHOUT_VALKEY == "open"
        self._limiter = services.rate_limiter
        self._authenticator = Authenticator(settings, services.database)

    async def admits(self, authorization: str, client: str) -> bool:
        """Whether that header, from the address `client`, bears credentials with the scope."""
        credentials = bearer(authorization)
        if credentials is None:
            return False
        try:
            if self._authenticator.asks_database(credentials) and not await self._has_room(client):
                return False
            principal = await self._authenticator.principal(credentials)
        except (InvalidToken, ServiceUnavailable):
            return False
        return principal.may(Scope.METRICS)

    async def _has_room(self, client: str) -> bool:
        """Whether there is room for a try at a key: it counts against the address, with those at the web process."""
        if not self._limit:
            return True
        try:
            quota = await self._limiter.hit(f"address:{limited_client(client)}", self._limit)
        except ServiceUnavailable:
            return self._open_without_valkey
        return quota.allowed
