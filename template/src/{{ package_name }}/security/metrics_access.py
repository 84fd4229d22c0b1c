"""Who may read the metrics of worker and scheduler by a token or key with the scope `metrics`, as on web."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..services.interfaces import ServiceUnavailable
from .audit import client_address
from .authentication import Authenticator
from .failed_logins import FailedLogins
from .rate_limit import bearer
from .tokens import InvalidToken, Scope

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer


class MetricsAccess:
    """Asked in the event loop of the process whose metrics they want."""

    def __init__(self, settings: Settings, services: ServiceContainer) -> None:
        self._authenticator = Authenticator(settings, services.database)
        self._failed_logins = FailedLogins(services.database)

    async def allows(self, authorization: str, client: str) -> bool:
        """Whether that header, from the address `client`, bears credentials with the scope."""
        client_address.set(client)
        credentials = bearer(authorization)
        if credentials is None:
            return False
        try:
            principal = await self._authenticator.principal(credentials)
        except InvalidToken as error:
            self._failed_logins.note(str(error))
            return False
        except ServiceUnavailable:
            return False
        return principal.may(Scope.METRICS)

    async def close(self) -> None:
        """Keep what was refused last."""
        await self._failed_logins.close()
