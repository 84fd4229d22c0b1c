"""A server of MCP, of the official SDK: `stdio`, `http PORT`, or `legacy PORT`, which knows no stateless sessions."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    BlobResourceContents,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    InputRequiredResult,
    TextResourceContents,
)
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
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
def die(path: str = os.devnull) -> str:
    """Add a line to a file, and end the process during the call."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write("called\n")
    os._exit(3)


@server.tool()
def repeat(text: str, times: int) -> str:
    """Repeat a text."""
    return text * times


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Return a picture, a text, and two files."""
    plan = TextResourceContents(uri="file:///plan.txt", text="a plan")
    map_ = BlobResourceContents(uri="file:///map.pdf", blob="bWFw", mime_type="application/pdf")
    files = [EmbeddedResource(resource=plan), EmbeddedResource(resource=map_)]
    return [Image(data=b"png", format="png"), "a picture", *files]


class Odd(BaseModel):
    """What does not have all that its schema requires."""

    model_config = ConfigDict(json_schema_extra={"required": ["missing"]})
    text: str


@server.tool()
def odd() -> Odd:
    """Return what does not match the schema of the tool."""
    return Odd(text="odd")


@server.tool()
def ask() -> InputRequiredResult:
    """Ask the user for something, which this client does not support."""
    form = ElicitRequestFormParams(message="Why?", requested_schema={"type": "object", "properties": {}})
    return InputRequiredResult(input_requests={"why": ElicitRequest(params=form)})


@server.tool()
def variables() -> dict[str, str]:
    """Return the environment of the process."""
    return dict(os.environ)


@server.tool()
def process() -> int:
    """Return the number of the process."""
    return os.getpid()


@server.tool()
def hold(context: Context, path: str) -> str:
    """Add the key of the call to a file, and answer if it is not the first."""
    meta = dict(context.request_context.meta or {})
    [key] = [value for name, value in meta.items() if name.endswith("/call-key")]
    keys = Path(path)
    with keys.open("a", encoding="utf-8") as file:
        file.write(f"{key}\n")
    if len(keys.read_text("utf-8").splitlines()) == 1:
        threading.Event().wait()
    return "done"


@server.tool()
def request(context: Context) -> dict[str, Any]:
    """Return what came with the call: its metadata, and a header."""
    asked = context.request_context
    headers = asked.request.headers if isinstance(asked.request, Request) else {}
    return {"meta": dict(asked.meta or {}), "authorization": headers.get("authorization")}


async def moved(request: Request) -> RedirectResponse:
    """Redirect to the same server by another name."""
    return RedirectResponse(f"http://localhost:{request.url.port}/mcp", 307)


async def compressed(_: Request) -> Response:
    """Answer in a form that may be small and yet become large."""
    return Response(gzip.compress(b"{}"), media_type="application/json", headers={"Content-Encoding": "gzip"})


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
        app.add_route("/moved", moved, ["POST"])
        app.add_route("/compressed", compressed, ["POST"])
        served = Legacy(app) if sys.argv[1] == "legacy" else app
        uvicorn.run(served, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
