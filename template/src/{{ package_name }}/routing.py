"""Serves the addresses that proxies and clients use: below ROOT_PATH, with a trailing slash, and with HEAD."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from starlette.routing import Router
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def route_path(scope: MutableMapping[str, Any]) -> str:
    """The path as routes declare it, without ROOT_PATH and a trailing slash."""
    root_path = scope.get("app_root_path", scope.get("root_path", ""))  # a mount changes `root_path`
    path: str = scope["path"].removeprefix(root_path)
    return path.rstrip("/") or "/"


class RootPathMiddleware:
    """Serves the routes below `root_path`, whether the proxy strips that prefix or not.

    Both `root_path` and `path` then have the prefix, as the ASGI specification requires.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self.app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["root_path"] = self._root_path
            if not f"{scope['path']}/".startswith(f"{self._root_path}/"):
                scope["path"] = self._root_path + scope["path"]
                scope["raw_path"] = self._root_path.encode() + scope["raw_path"]
        await self.app(scope, receive, send)


class HeadMiddleware:
    """Answers HEAD like GET, without the body (RFC 9110, section 9.3.2), since FastAPI's routes do not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"  # for the server and the log
                await send(message)
                await send({"type": "http.response.body"})  # ends a stream, as if its client had disconnected

        scope["method"] = "GET"
        try:
            await self.app(scope, receive, send_head)
        finally:
            scope["method"] = "HEAD"


def serve_either_slash(router: Router) -> None:
    """Serve every route with and without a trailing slash.

    A redirect would contain the Host header, which clients can forge, and `http` behind a proxy that terminates TLS.
    """
    not_found = router.default

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "other_slash" in scope or scope["path"] == "/":
            await not_found(scope, receive, send)
            return
        path = scope["path"]
        scope["other_slash"] = True
        scope["path"] = path.rstrip("/") if path.endswith("/") else f"{path}/"
        try:
            await router.app(scope, receive, send)
        finally:
            scope["path"] = path

    router.redirect_slashes = False
    router.default = default
