"""Who makes a request: the owner named by its bearer token (RFC 6750), as the middleware of `admission` found."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ..problems import Problem
from .tokens import InvalidToken

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token by the `token issue` command.")


async def _owner(request: Request, _described: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    match request.scope["identity"]:
        case str() as subject:
            return subject
        case InvalidToken() as error:
            raise Problem(
                401,
                "unauthenticated",
                "The bearer token was refused.",
                str(error),
                headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        case _:
            raise Problem(401, "unauthenticated", "A bearer token is required.", headers={"WWW-Authenticate": "Bearer"})


Authenticated = Depends(_owner)
Owner = Annotated[str, Authenticated]
