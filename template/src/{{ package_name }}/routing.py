"""Addresses as proxies and clients write them: below ROOT_PATH, with a slash at the end, asked for with HEAD."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from starlette.routing import Router
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def route_path(scope: MutableMapping[str, Any]) -> str:
    """The path as routes declare it: without ROOT_PATH, and without a slash at the end."""
    root_path = scope.get("app_root_path", scope.get("root_path", ""))  # the first, once a mount has the request
    path: str = scope["path"].removeprefix(root_path)
    return path.rstrip("/") or "/"


class RootPathMiddleware:
    """Serves the routes below `root_path`, whether the proxy strips that prefix or passes it on.

    In either case the scope has the prefix in both `root_path` and `path`, as the ASGI specification asks.
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
    """Answers HEAD as GET without the body (RFC 9110, section 9.3.2): FastAPI's routes know only what they declare."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"  # which the server and the log look at
                await send(message)
                await send({"type": "http.response.body"})  # a stream ends here: its client counts as disconnected

        scope["method"] = "GET"
        try:
            await self.app(scope, receive, send_head)
        finally:
            scope["method"] = "HEAD"


def serve_either_slash(router: Router) -> None:
    """Serve a route with or without a slash at the end of its path, where no route has the path as it was requested.

    A redirect would name the host of the request, which anyone can forge, and `http` behind a proxy that ends TLS.
    """
    not_found = router.default

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or "other_slash" in scope or route_path(scope) == "/":
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
