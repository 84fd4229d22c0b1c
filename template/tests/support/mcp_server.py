"""A server of MCP, of the official SDK: `stdio`, `http PORT`, or `legacy PORT`, which knows no stateless sessions."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

server = MCPServer("things")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def remove(name: str) -> str:
    """Remove a thing."""
    return f"removed {name}"


@server.tool()
def refuse() -> str:
    """Refuse the call."""
    raise ToolError("there is nothing here")


@server.tool()
async def sleep(seconds: float) -> str:
    """Take a while."""
    await asyncio.sleep(seconds)
    return "awake"


@server.tool()
def die() -> str:
    """End the process during the call."""
    os._exit(3)


@server.tool()
def repeat(text: str, times: int) -> str:
    """Repeat a text."""
    return text * times


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Return a picture and a text."""
    return [Image(data=b"png", format="png"), "a picture"]


@server.tool()
def variables() -> dict[str, str]:
    """Return the environment of the process."""
    return dict(os.environ)


@server.tool()
def process() -> int:
    """Return the number of the process."""
    return os.getpid()


@server.tool()
def request(context: Context) -> dict[str, Any]:
    """Return what came with the call: its metadata, and a header."""
    asked = context.request_context
    headers = asked.request.headers if isinstance(asked.request, Request) else {}
    return {"meta": dict(asked.meta or {}), "authorization": headers.get("authorization")}


class Legacy:
    """Rejects requests of stateless sessions, as servers of earlier revisions do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and b"2026" in dict(scope["headers"]).get(b"mcp-protocol-version", b""):
            await JSONResponse({"error": "unknown revision"}, 400)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        app = server.streamable_http_app()
        served = Legacy(app) if sys.argv[1] == "legacy" else app
        uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
