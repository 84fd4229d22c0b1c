"""The keys of an OpenID provider, by JWKS_URL (RFC 7517): fetched once, and again when they grow old or one is unknown.

While the provider is down, the keys at hand go on for STALE_SECONDS. A key id that nobody knows has them fetched again
once in COOLDOWN_SECONDS at most, however many tokens name it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

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
# Whoever holds a public key can make a token of a symmetric algorithm with it.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class KeySet:
    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched = 0.0
        self._tried: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def signing_key(self, token: str) -> jwt.PyJWK:
        """The key that a token says it is signed with. Raises `InvalidToken`, and `ServiceUnavailable`."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
        except jwt.InvalidTokenError:
            raise InvalidToken("The token is not valid.") from None
        age = time.monotonic() - self._fetched
        if key_id not in self._keys or age > STALE_SECONDS:
            await asyncio.shield(self._fetch())
        elif age > REFRESH_SECONDS:
            self._fetch()  # meanwhile the keys at hand will do
        if not self._keys or time.monotonic() - self._fetched > STALE_SECONDS:
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
        if self._tried is not None and now - self._tried < COOLDOWN_SECONDS:
            return
        self._tried = now
        try:
            self._keys = await _fetched(self._url)
            self._fetched = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever the provider answers, the keys at hand go on
            log.warning("the keys of the identity provider cannot be had", error=type(error).__name__)


async def _fetched(url: str) -> dict[str | None, jwt.PyJWK]:
    import httpx2

    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client, client.stream("GET", url) as response:
        response.raise_for_status()
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError("the key set is too large")
    found: list[dict[str, Any]] = httpx2.Response(200, content=bytes(body)).json()["keys"]
    keys: dict[str | None, jwt.PyJWK] = {}
    for item in found:
        if item.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(item)
        except jwt.PyJWTError:
            continue  # of a kind that is not known here
        if key.algorithm_name in ALGORITHMS:
            keys[item.get("kid")] = key
    if not keys:
        raise ValueError("the key set holds no key to verify with")
    return keys
