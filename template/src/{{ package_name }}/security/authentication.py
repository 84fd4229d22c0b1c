"""Authenticates callers by bearer tokens and API keys (RFC 6750); routes and the metrics require scopes."""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..problems import Problem
from ..services.interfaces import ServiceUnavailable
from .api_keys import PREFIX, ApiKeys
from .audit import FailedLogins, client_address
from .tokens import InvalidToken, KeySet, Principal, Scope, TokenVerifier, bearer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Settings
    from ..services.interfaces import Database

# Headers that a proxy adds: the connection's address is not the caller's.
FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="A token by the `token issue` command, or a key by the `key create` command.",
)


class Authenticator:
    """Resolves bearer tokens and API keys to principals, in the event loop of the process's database pool."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._keys = ApiKeys(database)
        self._tokens = TokenVerifier(settings)
        self._key_set = KeySet(settings.JWKS_URL) if settings.JWKS_URL else None
        self.failed_logins = FailedLogins(database)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.failed_logins.close()

    async def principal(self, credentials: str) -> Principal:
        """The principal of a token or key. Raises `InvalidToken` and `ServiceUnavailable`."""
        if credentials.startswith(PREFIX):
            return await self._keys.principal(credentials)
        key = await self._key_set.signing_key(credentials) if self._key_set else None
        return self._tokens.principal(credentials, key)

    async def may_read_metrics(self, client: str | None, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers, from the address `client`, may read the metrics of the process.

        It needs METRICS_TOKEN, or a token or key with the scope `metrics`, unless METRICS_OPEN admits its address.
        """
        if settings_admit(self._settings, client, headers):
            return True
        client_address.set(client)
        credentials = bearer(headers.get("authorization", ""))
        if credentials is None:
            return False
        try:
            return (await self.principal(credentials)).may(Scope.METRICS)
        except InvalidToken as error:
            self.failed_logins.record(str(error))
        except ServiceUnavailable:
            pass
        return False


def settings_admit(settings: Settings, client: str | None, headers: Mapping[str, str]) -> bool:
    """Whether METRICS_TOKEN or, without one, METRICS_OPEN lets a request read the metrics.

    METRICS_OPEN admits private addresses. The names of `headers` are in lower case.
    """
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


def _require(scope: Scope) -> Any:
    async def principal(
        request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Principal:
        match request.scope["identity"]:  # set by `RateLimitMiddleware`
            case Principal() as principal if principal.may(scope):
                return principal
            case Principal():
                header = f'Bearer error="insufficient_scope", scope="{scope}"'
                title = "The credentials are not good for this."
                detail = f"They must have the scope {scope}."
                raise Problem(403, "forbidden", title, detail, headers={"WWW-Authenticate": header})
            case InvalidToken() as error:
                request.app.state.authenticator.failed_logins.record(str(error))
                header = 'Bearer error="invalid_token"'
                title = "The credentials were refused."
                raise Problem(401, "unauthenticated", title, str(error), headers={"WWW-Authenticate": header})
            case Exception() as error:
                raise error
            case _:
                title = "A bearer token is required."
                raise Problem(401, "unauthenticated", title, headers={"WWW-Authenticate": "Bearer"})

    return Depends(principal)


UserPrincipal = Annotated[Principal, _require(Scope.USER)]
AdminPrincipal = Annotated[Principal, _require(Scope.ADMIN)]


async def _owner(principal: UserPrincipal) -> str:
    return principal.subject


Authenticated = Depends(_owner)
Owner = Annotated[str, Authenticated]
