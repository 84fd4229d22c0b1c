"""Bearer tokens: JSON Web Tokens signed with SECRET_KEY (RFC 7519, RFC 8725)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from ..config import Settings

ALGORITHM = "HS256"
MAX_SUBJECT = 200
CACHE_SIZE = 10_000
_jwt = jwt.PyJWT(options={"enforce_minimum_key_length": True})


class Scope(StrEnum):
    """What a token or key is good for. `admin` includes the others."""

    USER = "user"
    ADMIN = "admin"
    METRICS = "metrics"


class InvalidToken(Exception):
    """The token is not one of ours, or no longer. The message says why, in words that may be shown."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose request it is, what it may do, and the id of the key that it came with, if it was a key."""

    subject: str
    scopes: frozenset[str]
    key: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def actor(self) -> str:
        """As the audit log names it."""
        return f"{self.subject} (key {self.key})" if self.key else self.subject


def bearer(authorization: str) -> str | None:
    """The credentials in a header `Authorization: Bearer ...`."""
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def issue_token(
    settings: Settings, subject: str, minutes: int | None = None, scopes: Iterable[str] = (Scope.USER,)
) -> str:
    """A token for `subject`, valid for `minutes` (JWT_EXPIRE_MINUTES when not given)."""
    now = datetime.now(UTC)
    claims = {
        "sub": subject,
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "iat": now,
        "exp": now + timedelta(minutes=minutes or settings.JWT_EXPIRE_MINUTES),
        "scope": " ".join(scopes),
    }
    return _jwt.encode(claims, settings.SECRET_KEY.get_secret_value(), ALGORITHM)


def read_token(settings: Settings, token: str, key: jwt.PyJWK | None = None) -> Principal:
    """Whom the token was issued to, and for what: signed with `key`, or else with SECRET_KEY. Raises `InvalidToken`."""
    return _read(settings, token, key)[0]


class Tokens:
    """Whose tokens are. One that was found good is not verified again: it stays so until it expires."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: dict[tuple[bytes, jwt.PyJWK | None], tuple[Principal, float]] = {}

    def principal(self, token: str, key: jwt.PyJWK | None) -> Principal:
        """As `read_token`. Raises `InvalidToken`."""
        known = hashlib.sha256(token.encode()).digest(), key  # keys that were fetched anew are others
        principal, until = self._found.get(known, (None, 0.0))
        if principal is not None and time.time() < until:
            return principal
        principal, expires = _read(self._settings, token, key)
        if len(self._found) >= CACHE_SIZE:
            self._found.clear()
        self._found[known] = principal, expires + self._settings.JWT_LEEWAY_SECONDS
        return principal


def _read(settings: Settings, token: str, key: jwt.PyJWK | None) -> tuple[Principal, int]:
    """The same, and when it expires, in seconds since 1970."""
    try:
        claims = _jwt.decode(
            token,
            key.key if key else settings.SECRET_KEY.get_secret_value(),
            algorithms=[key.algorithm_name if key else ALGORITHM],
            audience=settings.JWT_AUDIENCE,
            issuer=settings.JWT_ISSUER,
            leeway=settings.JWT_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except jwt.ExpiredSignatureError:
        raise InvalidToken("The token has expired.") from None
    except jwt.InvalidTokenError:
        raise InvalidToken("The token is not valid.") from None
    subject: str = claims["sub"]
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise InvalidToken("The token is not valid.")
    return Principal(subject, _scopes(claims)), int(claims["exp"])


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Those of ours that the claim `scope` (RFC 8693), or `scp`, names; a token that names none is a user's."""
    named = claims.get("scope") or claims.get("scp") or ()
    words = named.split() if isinstance(named, str) else named if isinstance(named, list) else ()
    return frozenset(scope for scope in Scope if scope in words) or frozenset({Scope.USER})
