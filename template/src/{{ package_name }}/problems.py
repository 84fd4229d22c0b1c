"""Errors of the API as problem documents, `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from .services.interfaces import ServiceUnavailable

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()
access_log = structlog.get_logger("access")

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5  # when a caller may retry after the failure of a backing service
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "urn:problem:<kind>, or about:blank when the status is enough."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The address of the resource with the problem."},
        "resets": {
            "type": "string",
            "description": "Of a spent budget: when it starts again, a time or `next-turn`.",
        },
    },
}


class Problem(HTTPException):
    """A problem document of the type `urn:problem:<kind>`."""

    def __init__(
        self,
        status: int,
        kind: str | None,
        title: str,
        detail: str | None = None,
        *,
        instance: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        # FastAPI lets only an `HTTPException` pass while it reads a body.
        super().__init__(status, title, headers)
        type_ = f"urn:problem:{kind}" if kind else "about:blank"
        optional = {"detail": detail, "instance": instance}
        self.document: dict[str, Any] = {"type": type_, "title": title, "status": status}
        self.document |= {name: value for name, value in optional.items() if value} | members


def phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110). Python before 3.13 has older ones for two of them."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of problem documents with these statuses."""
    return {status: {"description": phrase(status), "content": {MEDIA_TYPE: {"schema": SCHEMA}}} for status in statuses}


def answer(document: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(document, document["status"], headers, MEDIA_TYPE)


class InternalErrorMiddleware:
    """Answers an unexpected exception. The log has its cause; the caller sees it in debug mode only.

    Also answers a request that the end of the process cancels.
    """

    def __init__(self, app: ASGIApp, *, debug: bool) -> None:
        self.app = app
        self._debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        responded = False

        async def send_and_note(message: Message) -> None:
            nonlocal responded
            responded = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except asyncio.CancelledError:
            # The server cancels what outlasts SHUTDOWN_GRACE_SECONDS; it would answer 500, as plain text.
            if responded:
                raise
            title = "The process stops before the request is answered. Send it again."
            await answer(Problem(503, "stopping", title).document, {"Retry-After": str(RETRY_SECONDS)})(
                scope, receive, send
            )
        except Exception as error:
            if not responded:
                problem = Problem(500, "internal", "An internal error occurred.", repr(error) if self._debug else None)
                await answer(problem.document)(scope, receive, send)
            # After the answer, since formatting a traceback takes 30 ms.
            access_log.exception("request_failed", error_type=type(error).__name__)
            if responded:
                raise  # the server closes the connection of an incomplete response


def of_failure(error: Exception) -> Problem:
    """Log `error` and return its problem document."""
    if not isinstance(error, ServiceUnavailable):
        log.error("stream_failed", error_type=type(error).__name__, exc_info=error)
        return Problem(500, "internal", "An internal error occurred.")
    log.warning("backing_service_unavailable", backing_service=error.service, reason=error.reason)
    title = "A service that this needs is unavailable. Try again later."
    return Problem(503, "service-unavailable", title, headers={"Retry-After": str(RETRY_SECONDS)})


def install(app: FastAPI, problems: Mapping[type[Exception], Callable[[Any], Problem]] | None = None) -> None:
    """Answer every expected error of `app` with a problem document; `problems` maps exceptions of its own to them."""
    handled: dict[type[Exception], Callable[[Any], Problem]] = {
        Problem: lambda problem: problem,
        HTTPException: _of_http_error,
        RequestValidationError: _of_invalid_request,
        ServiceUnavailable: of_failure,
        **(problems or {}),
    }
    for kind, problem_of in handled.items():
        app.add_exception_handler(kind, partial(_on_error, problem_of))


async def _on_error(problem_of: Callable[[Any], Problem], _: Request, error: Exception) -> Response:
    problem = problem_of(error)
    return answer(problem.document, problem.headers)


def _of_http_error(error: HTTPException) -> Problem:
    title = phrase(error.status_code)
    headers = dict(error.headers or {})
    if "GET" in (allowed := headers.get("Allow", "").split(", ")):
        headers["Allow"] = ", ".join(sorted({*allowed, "HEAD"}))
    detail = error.detail if error.detail != title else None
    return Problem(error.status_code, None, title, detail, headers=headers)


def _of_invalid_request(error: RequestValidationError) -> Problem:
    errors = [
        {"at": "/".join(map(str, item["loc"])), "detail": item["msg"].removeprefix("Value error, ")}
        for item in error.errors()
    ]
    return Problem(422, "invalid-request", "The request is not valid.", errors=errors)
