"""The endpoint `/mcp`, and the metadata by which its clients find the OpenID provider (RFC 9728)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from ..problems import MEDIA_TYPE, SCHEMA, Problem, responses
from ..security.authentication import UserPrincipal
from ..security.tokens import Scope
from ..setting_types import listed
from .turns import ClientTurns

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Send
    from starlette.types import Scope as HttpScope

PARSE_ERROR: Final = -32700  # of JSON-RPC
INVALID_REQUEST: Final = -32600
METADATA: Final = "/.well-known/oauth-protected-resource"
MESSAGE: Final = {
    "type": "object",
    "required": ["jsonrpc"],
    "properties": {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "integer"]},
        "method": {"type": "string"},
        "params": {"type": "object"},
    },
}
JSON_RPC: Final = {"application/json": {"schema": {"type": "object"}}}
EVENTS: Final = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "string", "contentMediaType": "application/json"}},
        }
    }
}


class _Route(APIRoute):
    """Names the metadata in the answer to a client without valid credentials."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_with_metadata(request: Request) -> Response:
            try:
                return await answer(request)
            except Problem as problem:
                given = (problem.headers or {}).get("WWW-Authenticate")
                if given is not None and request.app.state.settings.JWKS_URL:
                    address = f'resource_metadata="{_base(request)}{METADATA}/mcp"'
                    separator = ", " if "=" in given else " "
                    problem.headers = {**(problem.headers or {}), "WWW-Authenticate": f"{given}{separator}{address}"}
                raise

        return answer_with_metadata


router = APIRouter(tags=["mcp"])
of_clients = APIRouter(route_class=_Route)


async def _known_origin(request: Request) -> None:
    """Refuse a page that CORS_ORIGINS does not list, as when a name of another site resolves to this service."""
    origin = request.headers.get("origin")
    if origin is not None and origin not in listed(request.app.state.settings.CORS_ORIGINS):
        title = "Pages of this origin may not use the service."
        raise Problem(403, "forbidden", title, "CORS_ORIGINS lists those that may.")


class _Answer(Response):
    """The answer of the protocol's SDK, imported in a thread by the first request that needs it."""

    def __init__(self, turns: ClientTurns, body: bytes) -> None:
        super().__init__()
        self._turns = turns
        self._given = body

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        server = await asyncio.to_thread(import_module, f"{__package__}.server")
        unread = True

        async def receive_again() -> Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": self._given, "more_body": False}
            return await receive()

        await server.serve(self._turns, scope, receive_again, send)


@of_clients.post(
    "/mcp",
    response_class=Response,
    dependencies=[Depends(_known_origin)],
    response_description="The response of JSON-RPC, or a stream that ends with it after notifications of progress.",
    responses={
        200: {"content": {**JSON_RPC, **EVENTS}},
        202: {"description": "A notification was received."},
        **responses(401, 403, 408, 413, 429, 503),
        "4XX": {
            "description": "The message is not one of the protocol.",
            "content": {**JSON_RPC, MEDIA_TYPE: {"schema": SCHEMA}},
        },
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": MESSAGE}}}},
)
async def answer_message(request: Request, principal: UserPrincipal) -> Response:
    """Answer a message of the Model Context Protocol (streamable HTTP): docs/mcp-server.md describes the tools."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "unsupported-media-type", "Send JSON as Content-Type: application/json.")
    state, body = request.app.state, await request.body()
    if (refused := _refusal_of(body)) is not None:
        error = {"code": refused, "message": "The body must be one request or notification of JSON-RPC 2.0."}
        return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)
    return _Answer(ClientTurns(state.settings, state.chat, principal), body)


def _refusal_of(body: bytes) -> int | None:
    """The code of the error for a body that is no message. The SDK would answer with what its own models expect."""
    try:
        message = json.loads(body)
    except ValueError:
        return PARSE_ERROR
    is_one = (
        isinstance(message, dict)
        and message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and type(message.get("id", 0)) in (int, str)
        and isinstance(message.get("params", {}), dict)
    )
    return None if is_one else INVALID_REQUEST


@router.get(METADATA, include_in_schema=False)
@router.get(f"{METADATA}/mcp", response_description="The metadata.", responses=responses(404, 429))
async def get_oauth_metadata(request: Request) -> JSONResponse:
    """Say which OpenID provider issues the tokens for `/mcp` (RFC 9728)."""
    settings = request.app.state.settings
    if not settings.JWKS_URL:
        raise Problem(404, None, "The service issues its tokens itself.")
    return JSONResponse(
        {
            "resource": f"{_base(request)}/mcp",
            "resource_name": settings.APP_NAME,
            "authorization_servers": [settings.JWT_ISSUER],
            "scopes_supported": [Scope.USER],
            "bearer_methods_supported": ["header"],
        }
    )


def _base(request: Request) -> str:
    """The address of the service, as the client writes it."""
    return str(request.base_url).rstrip("/")


router.include_router(of_clients)
