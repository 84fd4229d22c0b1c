"""Security headers on every response, errors included (rule 13.1; OWASP HTTP Headers Cheat Sheet)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Browsers neither render nor store the API's responses. Pages, such as /docs, set a policy of their own.
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class SecurityHeadersMiddleware:
    """Adds each header that a response lacks, and HSTS if the request came by TLS (RFC 6797)."""

    def __init__(self, app: ASGIApp, hsts_seconds: int) -> None:
        self.app = app
        self._plain = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        hsts = (b"strict-transport-security", f"max-age={hsts_seconds}".encode())
        self._secure = [*self._plain, hsts] if hsts_seconds else self._plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        added = self._secure if scope["scheme"] == "https" else self._plain

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message["headers"]
                names = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in added if header[0] not in names)]
            await send(message)

        await self.app(scope, receive, send_with_headers)
