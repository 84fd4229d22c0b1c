"""Errors of the API as problem documents, `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
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
RETRY_SECONDS = 5  # after which a caller may try a service again that was down
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "urn:problem:<kind>, or about:blank where the status says it all."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The address of what the problem is about."},
        "resets": {
            "type": "string",
            "description": "Of a budget that is spent: when it begins anew, a time or `next-turn`.",
        },
    },
}


class Problem(Exception):
    """Answers the request with a problem document of the type `urn:problem:<kind>`."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str | None = None,
        *,
        instance: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.document = {"type": f"urn:problem:{kind}", "title": title, "status": status}
        self.document |= {"detail": detail} if detail else {}
        self.document |= {"instance": instance} if instance else {}
        self.document |= members
        self.headers = dict(headers or {})


class BodyProblem(HTTPException):
    """A problem that is met while a body is read: of all errors then, FastAPI lets only this kind pass as it is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status)
        self.problem = problem


def phrase(status: int) -> str:
    """What a status is called (RFC 9110), on every Python: those before 3.13 have older names for two."""
    return {413: "Content Too Large", 422: "Unprocessable Content"}.get(status) or HTTPStatus(status).phrase


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of problem documents with these statuses."""
    return {status: {"description": phrase(status), "content": {MEDIA_TYPE: {"schema": SCHEMA}}} for status in statuses}


def answer(document: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(document, document["status"], headers, MEDIA_TYPE)


class InternalErrorMiddleware:
    """Answers a mistake in the program. Its cause is for the log; the caller sees it only in debug mode."""

    def __init__(self, app: ASGIApp, *, debug: bool) -> None:
        self.app = app
        self._debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        responded = False

        async def send_and_look(message: Message) -> None:
            nonlocal responded
            responded = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_look)
        except Exception as error:
            if not responded:
                problem = Problem(500, "internal", "An internal error occurred.", repr(error) if self._debug else None)
                await answer(problem.document)(scope, receive, send)
            # After the answer: a traceback takes some 30 ms to format.
            access_log.exception("request failed", error_type=type(error).__name__)
            if responded:
                raise  # the server closes the connection, since the response is not whole


def of_failure(error: Exception) -> Problem:
    """The problem to answer with when a request meets `error`, which is logged here."""
    if not isinstance(error, ServiceUnavailable):
        log.error("a stream failed", error_type=type(error).__name__, exc_info=error)
        return Problem(500, "internal", "An internal error occurred.")
    log.warning("a request met a service that is down", backing_service=error.service, reason=error.reason)
    title = "A service that this needs is unavailable. Try again later."
    return Problem(503, "service-unavailable", title, headers={"Retry-After": str(RETRY_SECONDS)})


def install(app: FastAPI) -> None:
    """Answer every expected error of `app` with a problem document."""

    async def on_problem(request: Request, error: Problem) -> Response:
        return answer(error.document, error.headers)

    async def on_body_problem(request: Request, error: BodyProblem) -> Response:
        return answer(error.problem.document, error.problem.headers)

    async def on_http_error(request: Request, error: HTTPException) -> Response:
        title = phrase(error.status_code)
        document = {"type": "about:blank", "title": title, "status": error.status_code}
        if error.detail and error.detail != title:
            document["detail"] = error.detail
        headers = dict(error.headers or {})
        if "GET" in (allowed := headers.get("Allow", "").split(", ")):
            headers["Allow"] = ", ".join(sorted({*allowed, "HEAD"}))
        return answer(document, headers)

    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        errors = [
            {"at": "/".join(map(str, item["loc"])), "detail": item["msg"].removeprefix("Value error, ")}
            for item in error.errors()
        ]
        problem = Problem(422, "invalid-request", "The request is not valid.", errors=errors)
        return answer(problem.document)

    async def on_unavailable(request: Request, error: ServiceUnavailable) -> Response:
        problem = of_failure(error)
        return answer(problem.document, problem.headers)

    handlers: dict[type[Exception], Any] = {
        Problem: on_problem,
        BodyProblem: on_body_problem,
        HTTPException: on_http_error,
        RequestValidationError: on_invalid_request,
        ServiceUnavailable: on_unavailable,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
