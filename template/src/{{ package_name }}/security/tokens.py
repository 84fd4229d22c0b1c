"""Bearer tokens: JSON Web Tokens signed with SECRET_KEY or by an OpenID provider (RFC 7519, RFC 8725)."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import jwt
import structlog

from ..services.interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from ..config import Settings

ALGORITHM = "HS256"
MAX_SUBJECT = 200
CACHE_SIZE = 10_000
# Of the key set of an OpenID provider.
REFRESH_SECONDS = 300.0
STALE_SECONDS = 86_400.0
COOLDOWN_SECONDS = 10.0
TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1_000_000
# No symmetric algorithm: with those, anyone who knows a public key could sign tokens.
PROVIDER_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

log = structlog.get_logger()
_jwt = jwt.PyJWT(options={"enforce_minimum_key_length": True})


class Scope(StrEnum):
    """A permission of credentials. `admin` includes the others."""

    USER = "user"
    ADMIN = "admin"
    METRICS = "metrics"


class InvalidToken(Exception):
    """Raised for a token or key that is invalid or has expired. The message gives the reason and may be shown."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The authenticated caller. `key` is the id of the API key, if the credentials were one."""

    subject: str
    scopes: frozenset[str]
    key: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    @property
    def actor(self) -> str:
        """The name in the audit log."""
        return f"{self.subject} (key {self.key})" if self.key else self.subject


def bearer(authorization: str) -> str | None:
    """The credentials in a header `Authorization: Bearer ...`."""
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip() or None if scheme.lower() == "bearer" else None


def issue_token(
    settings: Settings, subject: str, minutes: int | None = None, scopes: Iterable[str] = (Scope.USER,)
) -> str:
    """A token for `subject`, valid for `minutes` (default: JWT_EXPIRE_MINUTES)."""
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


class TokenVerifier:
    """Resolves tokens to principals. A verified token is cached until it expires."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: dict[tuple[bytes, jwt.PyJWK | None], tuple[Principal, float]] = {}

    def principal(self, token: str, key: jwt.PyJWK | None = None) -> Principal:
        """The principal of a token signed with `key` (default: SECRET_KEY). Raises `InvalidToken`."""
        known = hashlib.sha256(token.encode()).digest(), key  # a refreshed key set has new key objects
        principal, until = self._found.get(known, (None, 0.0))
        if principal is not None and time.time() < until:
            return principal
        claims = self._verified(token, key)
        principal = _principal(claims)
        if len(self._found) >= CACHE_SIZE:
            self._found.clear()
        self._found[known] = principal, int(claims["exp"]) + self._settings.JWT_LEEWAY_SECONDS
        return principal

    def _verified(self, token: str, key: jwt.PyJWK | None) -> dict[str, Any]:
        try:
            return _jwt.decode(
                token,
                key.key if key else self._settings.SECRET_KEY.get_secret_value(),
                algorithms=[key.algorithm_name if key else ALGORITHM],
                audience=self._settings.JWT_AUDIENCE,
                issuer=self._settings.JWT_ISSUER,
                leeway=self._settings.JWT_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("The token has expired.") from None
        except jwt.InvalidTokenError:
            raise InvalidToken("The token is not valid.") from None


def _principal(claims: dict[str, Any]) -> Principal:
    """Reads the subject, and the known scopes of the claim `scope` (RFC 8693) or `scp`; the default is `user`."""
    subject: str = claims["sub"]
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise InvalidToken("The token is not valid.")
    named = claims.get("scope") or claims.get("scp") or ()
    words = named.split() if isinstance(named, str) else named if isinstance(named, list) else ()
    return Principal(subject, frozenset(scope for scope in Scope if scope in words) or frozenset({Scope.USER}))


class KeySet:
    """The public keys of an OpenID provider, from JWKS_URL (RFC 7517), refreshed in the background.

    They serve for STALE_SECONDS while the provider is down. An unknown key id causes at most one fetch in
    COOLDOWN_SECONDS, however many tokens name it. PyJWT's client blocks, limits no size, and drops keys in an outage.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = self._tried = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def signing_key(self, token: str) -> jwt.PyJWK:
        """The key that signed `token`, by its header. Raises `InvalidToken` and `ServiceUnavailable`."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            raise InvalidToken("The token is not valid.") from None
        age = time.monotonic() - self._fetched
        if key_id not in self._keys or age > STALE_SECONDS:
            await asyncio.shield(self._fetch())
        elif age > REFRESH_SECONDS:
            self._fetch()
        if time.monotonic() - self._fetched > STALE_SECONDS:
            raise ServiceUnavailable("identity provider")
        if key_id not in self._keys:
            raise InvalidToken("The token is signed with an unknown key.")
        return self._keys[key_id]

    def _fetch(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._try_to_fetch())
        return self._fetching

    async def _try_to_fetch(self) -> None:
        now = time.monotonic()
        if now - self._tried < COOLDOWN_SECONDS:
            return
        self._tried = now
        try:
            self._keys = await _download(self._url)
            self._fetched = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever the provider answers, the cached keys remain
            log.warning("jwks_fetch_failed", error=type(error).__name__)


async def _download(url: str) -> dict[str | None, jwt.PyJWK]:
    """The verification keys of the key set, by id. Raises `ValueError` if it is too large or has none."""
    import httpx2

    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client, client.stream("GET", url) as response:
        response.raise_for_status()
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError("the key set is too large")
    keys = {
        key.key_id: key
        for key in jwt.PyJWKSet.from_json(body.decode()).keys  # without keys of unknown types
        if key.public_key_use in {None, "sig"} and key.algorithm_name in PROVIDER_ALGORITHMS
    }
    if not keys:
        raise ValueError("the key set has no key for signatures")
    return keys
