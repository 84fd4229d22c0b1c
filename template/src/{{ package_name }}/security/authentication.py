"""Authenticates requests by bearer tokens and API keys (RFC 6750), and requires scopes in routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..problems import Problem
from .api_keys import PREFIX, ApiKeys
from .jwks import KeySet
from .tokens import InvalidToken, Principal, Scope, TokenVerifier

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.interfaces import Database

_bearer = HTTPBearer(
    auto_error=False,
    bearerFormat="JWT",
    description="A token by the `token issue` command, or a key by the `key create` command.",
)


class Authenticator:
    """Resolves bearer tokens and API keys to principals."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._keys = ApiKeys(database)
        self._tokens = TokenVerifier(settings)
        self._key_set = KeySet(settings.JWKS_URL) if settings.JWKS_URL else None

    async def principal(self, credentials: str) -> Principal:
        """The principal of a token or key. Raises `InvalidToken` and `ServiceUnavailable`."""
        if credentials.startswith(PREFIX):
            return await self._keys.principal(credentials)
        key = await self._key_set.signing_key(credentials) if self._key_set else None
        return self._tokens.principal(credentials, key)


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
                request.app.state.failed_logins.record(str(error))
                header = 'Bearer error="invalid_token"'
                title = "The credentials were refused."
                raise Problem(401, "unauthenticated", title, str(error), headers={"WWW-Authenticate": header})
            case Exception() as error:
                raise error
            case _:
                raise Problem(
                    401, "unauthenticated", "A bearer token is required.", headers={"WWW-Authenticate": "Bearer"}
                )

    return Depends(principal)


UserPrincipal = Annotated[Principal, _require(Scope.USER)]
AdminPrincipal = Annotated[Principal, _require(Scope.ADMIN)]


async def _owner(principal: UserPrincipal) -> str:
    return principal.subject


Authenticated = Depends(_owner)
Owner = Annotated[str, Authenticated]
