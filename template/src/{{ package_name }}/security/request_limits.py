"""Limits on the size, time and JSON of requests (rule 13.1)."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from fastapi import Depends, Request
from fastapi.params import Form
from starlette.exceptions import HTTPException

from ..problems import Problem, answer
from ..routing import route_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..config import Settings

UPLOADS: Final = "/chat/files"  # POST takes a file
_CLOSE: Final = {"Connection": "close"}  # the rest of the body is not read


class RequestLimitsMiddleware:
    """Rejects long headers (431), long (413) or slow (408) bodies, and deep or ambiguous JSON (400).

    A file may be longer, and is not read as JSON. A body with a declared length is rejected before it is read.
    FastAPI's `max_body_size` does the same, but answers in plain text.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._max_bytes = settings.REQUEST_MAX_BYTES
        self._max_file_bytes = settings.FILE_MAX_BYTES
        self._max_header_bytes = settings.REQUEST_MAX_HEADER_BYTES
        self._max_depth = settings.JSON_MAX_DEPTH
        self._read_seconds = settings.REQUEST_TIMEOUT_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        size = len(scope["raw_path"]) + len(scope["query_string"])
        for name, value in scope["headers"]:
            size += len(name) + len(value)
        is_file = scope["method"] == "POST" and route_path(scope) == UPLOADS
        max_bytes = self._max_file_bytes if is_file else self._max_bytes
        if size > self._max_header_bytes:
            problem = self._headers_too_large()
        elif int(headers.get(b"content-length", b"0")) > max_bytes:
            problem = self._too_large(max_bytes)
        else:
            is_json = not is_file and b"json" in headers.get(b"content-type", b"").lower()
            await self.app(scope, self._limited(receive, max_bytes, is_json=is_json), send)
            return
        await answer(problem.document, problem.headers)(scope, receive, send)

    def _limited(self, receive: Receive, max_bytes: int, *, is_json: bool) -> Receive:
        """`receive` with limits for the whole body, and none for the messages after it."""
        deadline: float | None = asyncio.get_running_loop().time() + self._read_seconds
        length = 0
        body = bytearray()  # of JSON

        async def receive_within_limits() -> Message:
            nonlocal deadline, length
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            piece = message.get("body", b"")
            length += len(piece)
            if length > max_bytes:
                raise self._too_large(max_bytes)
            if is_json:
                body.extend(piece)
            if deadline is not None and not message.get("more_body"):
                deadline = None
                if is_json:
                    self._check_json(body)
            return message

        return receive_within_limits

    def _headers_too_large(self) -> Problem:
        title = "The headers of the request are too large."
        detail = f"The address and the headers take more than {self._max_header_bytes} bytes."
        return Problem(431, "headers-too-large", title, detail, headers=_CLOSE)

    def _too_large(self, max_bytes: int) -> Problem:
        detail = f"The body is longer than {max_bytes} bytes."
        return Problem(413, "request-too-large", "The request is too large.", detail, headers=_CLOSE)

    def _too_slow(self) -> Problem:
        detail = f"The body did not arrive within {self._read_seconds:g} seconds."
        return Problem(408, "request-timeout", "The request came in too slowly.", detail, headers=_CLOSE)

    def _check_json(self, text: bytearray) -> None:
        with suppress(ValueError):  # invalid JSON is answered where it is parsed
            if self._is_deep(text):
                raise HTTPException(400, f"The JSON is nested deeper than {self._max_depth} levels.")

    def _is_deep(self, text: bytearray) -> bool:
        try:
            level: list[Any] = [[json.loads(text, object_pairs_hook=_unique)]]
        except RecursionError:
            return True
        for _ in range(self._max_depth + 1):
            members = (each for outer in level for each in (outer.values() if isinstance(outer, dict) else outer))
            level = [each for each in members if isinstance(each, (dict, list))]
        return bool(level)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Rejects a name that occurs twice in one object: parsers differ in which value they use (RFC 8259, section 4)."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise HTTPException(400, f"The JSON has the name {name[:100]!r} more than once in one object.")
        found[name] = value
    return found


async def _json_only(request: Request) -> None:
    """Rejects a body whose media type is not JSON where JSON is expected."""
    expected = getattr(request.scope["route"], "body_field", None)
    if expected is None or isinstance(expected.field_info, Form) or not await request.body():
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not re.fullmatch(r"application/(?:.*\+)?json", media_type):
        raise Problem(
            415,
            "unsupported-media-type",
            "The body is not of a type that is understood here.",
            "Send JSON as Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )


JsonOnly = Depends(_json_only)
