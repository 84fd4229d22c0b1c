"""The public keys of an OpenID provider, from JWKS_URL (RFC 7517).

Keys are refreshed in the background, and serve for STALE_SECONDS while the provider is down. An unknown key id causes
at most one fetch in COOLDOWN_SECONDS, however many tokens name it.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import jwt
import structlog

from ..services.interfaces import ServiceUnavailable
from .tokens import InvalidToken

log = structlog.get_logger()

REFRESH_SECONDS: Final = 300.0
STALE_SECONDS: Final = 86_400.0
COOLDOWN_SECONDS: Final = 10.0
TIMEOUT_SECONDS: Final = 5.0
MAX_BYTES: Final = 1_000_000
# No symmetric algorithm: with those, anyone who knows a public key could sign tokens.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class KeySet:
    """A cached key set. PyJWT's client blocks, limits no size, and serves no stale keys in an outage."""

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
    found = jwt.PyJWKSet.from_json(body.decode()).keys  # without keys of unknown types
    keys = {
        key.key_id: key for key in found if key.public_key_use in {None, "sig"} and key.algorithm_name in ALGORITHMS
    }
    if not keys:
        raise ValueError("the key set has no key for signatures")
    return keys
