"""Errors below /v1 in OpenAI's format, made from the problem documents of the service."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, Field
from starlette.datastructures import MutableHeaders

from ..problems import MEDIA_TYPE, Problem, phrase
from ..routing import HeadMiddleware, route_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX: Final = "/v1"
PROBLEM: Final = (b"content-type", MEDIA_TYPE.encode())
# The types of errors by status; any other 4xx is an `invalid_request_error`.
TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# Codes that clients know, by the kind of the problem.
CODES: Final = {
    "unauthenticated": "invalid_api_key",
    "rate-limited": "rate_limit_exceeded",
    "budget-spent": "insufficient_quota",
    "token-limit": "insufficient_quota",
    "cost-limit": "insufficient_quota",
}
# Conflicts that pass. The SDKs repeat a request after each 409 and 429, unless a header says that this does not help.
PASSING: Final = {"turn-in-progress", "rate-limited", "model-rate-limited"}


class Error(BaseModel):
    message: str
    type: str
    param: str | None = Field(description="The parameter that is wrong.")
    code: str | None


class ErrorBody(BaseModel):
    error: Error


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of errors: those with these statuses, and any other refusal."""
    named: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody, "description": phrase(status)} for status in statuses
    }
    return {**named, "4XX": {"model": ErrorBody, "description": "Any other refusal."}}


def invalid(param: str | None, message: str, code: str = "invalid_value") -> Problem:
    """The problem of a request whose parameter `param` is wrong."""
    return Problem(400, code.replace("_", "-"), message, param=param)


def unsupported(param: str) -> Problem:
    """The problem of a request with a parameter that this service does not have."""
    return invalid(param, f"Unsupported parameter: '{param}'.", "unsupported_parameter")


def error_of(document: dict[str, Any]) -> Error:
    """A problem document as the content of OpenAI's `error`."""
    status, kind = document["status"], document["type"].removeprefix("urn:problem:").removeprefix("about:blank")
    detail, param = document.get("detail"), document.get("param")
    if errors := document.get("errors"):  # of a request that does not fit its schema
        param, detail = _parameter(errors[0]["at"]), errors[0]["detail"]
    code = CODES.get(kind, kind.replace("-", "_"))
    type_ = "server_error" if status >= 500 else TYPES.get(status, "invalid_request_error")
    message = f"{document['title']} {detail}" if detail else document["title"]
    kind_of_error = code if code == "insufficient_quota" else type_
    return Error(message=message, type=kind_of_error, param=param, code=code or None)


def _parameter(location: str) -> str | None:
    """A location such as `body/items/0/content` as OpenAI writes it: `items[0].content`."""
    _, _, path = location.partition("/")
    return re.sub(r"/(\d+)", r"[\1]", path).replace("/", ".") or None


class OpenAIErrorsMiddleware:
    """Translates each problem document below /v1, whichever part of the service refused the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._translated = HeadMiddleware(self._translate)  # HEAD has the headers of the translated body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and f"{route_path(scope)}/".startswith(f"{PREFIX}/")
        await (self._translated if is_ours else self.app)(scope, receive, send)

    async def _translate(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message | None = None
        body = bytearray()

        async def translate(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and PROBLEM in message["headers"]:
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    await _send_error(start, json.loads(body), send)

        await self.app(scope, receive, translate)


async def _send_error(start: Message, document: dict[str, Any], send: Send) -> None:
    kind = document["type"].removeprefix("urn:problem:")
    status = 400 if document["status"] == 422 else document["status"]
    content = ErrorBody(error=error_of({**document, "status": status})).model_dump_json().encode()
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-type"] = "application/json"
    headers["content-length"] = str(len(content))
    if status in (409, 429) and kind not in PASSING:
        headers["x-should-retry"] = "false"
    await send({**start, "status": status, "headers": headers.raw})
    await send({"type": "http.response.body", "body": content})
