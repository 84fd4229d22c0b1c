"""Who makes a request: the owner named by its bearer token (RFC 6750)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..problems import Problem
from .tokens import InvalidToken, subject_of

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token by the `token issue` command.")


async def _owner(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    if credentials is None:
        raise Problem(401, "unauthenticated", "A bearer token is required.", headers={"WWW-Authenticate": "Bearer"})
    try:
        return subject_of(request.app.state.settings, credentials.credentials)
    except InvalidToken as error:
        raise Problem(
            401,
            "unauthenticated",
            "The bearer token was refused.",
            str(error),
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
        ) from None


Authenticated = Depends(_owner)
Owner = Annotated[str, Authenticated]
