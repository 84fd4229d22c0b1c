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

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ..config import Settings

# Possessive, and a string may be unterminated: each character is scanned once, so no input takes quadratic time.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS: Final = bytes.maketrans(b"[{]}", b"(())")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))
_CLOSE: Final = {"Connection": "close"}  # the rest of the body is not read


class RequestLimitsMiddleware:
    """Rejects long headers (431), long (413) or slow (408) bodies, and deep or ambiguous JSON (400).

    A body with a declared length is rejected before it is read. FastAPI's `max_body_size` does the same, but answers
    in plain text.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._max_bytes = settings.REQUEST_MAX_BYTES
        self._max_header_bytes = settings.REQUEST_MAX_HEADER_BYTES
        self._max_depth = settings.JSON_MAX_DEPTH
        self._read_seconds = settings.REQUEST_TIMEOUT_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length, is_json, size = b"0", False, len(scope["raw_path"]) + len(scope["query_string"])
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                is_json = b"json" in value.lower()
        problem = self._refusal(size, length)
        if problem is not None:
            await answer(problem.document, problem.headers)(scope, receive, send)
            return
        received = 0
        openings = 0
        chunks: list[bytes] = []
        receive_in_time = self._in_time(receive)

        async def receive_within_limits() -> Message:
            nonlocal received, openings
            message = await receive_in_time()
            chunk = message.get("body", b"")
            received += len(chunk)
            if received > self._max_bytes:
                raise self._too_large()
            if is_json:
                chunks.append(chunk)
                openings += chunk.count(b"[") + chunk.count(b"{")
                if openings and not message.get("more_body"):
                    self._check_json(b"".join(chunks), openings)
            return message

        await self.app(scope, receive_within_limits, send)

    def _in_time(self, receive: Receive) -> Receive:
        """`receive` with a deadline for the whole body, and none for the messages after it."""
        deadline: float | None = asyncio.get_running_loop().time() + self._read_seconds

        async def receive_in_time() -> Message:
            nonlocal deadline
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise self._too_slow() from None
            if not message.get("more_body"):
                deadline = None
            return message

        return receive_in_time

    def _refusal(self, header_bytes: int, content_length: bytes) -> Problem | None:
        if header_bytes > self._max_header_bytes:
            detail = f"The address and the headers take more than {self._max_header_bytes} bytes."
            title = "The headers of the request are too large."
            return Problem(431, "headers-too-large", title, detail, headers=_CLOSE)
        return self._too_large() if int(content_length) > self._max_bytes else None

    def _too_large(self) -> Problem:
        detail = f"The body is longer than {self._max_bytes} bytes."
        return Problem(413, "request-too-large", "The request is too large.", detail, headers=_CLOSE)

    def _too_slow(self) -> Problem:
        detail = f"The body did not arrive within {self._read_seconds:g} seconds."
        return Problem(408, "request-timeout", "The request came in too slowly.", detail, headers=_CLOSE)

    def _check_json(self, text: bytes, openings: int) -> None:
        # Most requests have too few brackets to nest deeply.
        if openings > self._max_depth and self._is_deep(text):
            raise HTTPException(
                400, f"The JSON is nested deeper than {self._max_depth} levels, or its brackets do not match."
            )
        with suppress(ValueError, RecursionError):  # invalid JSON is answered where it is parsed
            json.loads(text, object_pairs_hook=_unique)

    def _is_deep(self, text: bytes) -> bool:
        """Whether brackets remain after the innermost pairs have been removed `max_depth` times."""
        brackets = _STRING.sub(b"", text).translate(_BRACKETS, _NO_BRACKETS)
        for _ in range(self._max_depth):
            if not brackets:
                break
            brackets = brackets.replace(b"()", b"")
        return bool(brackets)


def _unique(pairs: list[tuple[str, Any]]) -> None:
    """Rejects a name that occurs twice in one object: parsers differ in which value they use (RFC 8259, section 4)."""
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise HTTPException(400, f"The JSON has the name {name[:100]!r} more than once in one object.")
        names.add(name)


async def _json_only(request: Request) -> None:
    """Rejects a body whose media type is not JSON where JSON is expected."""
    expected = getattr(request.scope["route"], "body_field", None)
    if expected is None or isinstance(expected.field_info, Form) or not await request.body():
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise Problem(
            415,
            "unsupported-media-type",
            "The body is not of a type that is understood here.",
            "Send JSON as Content-Type: application/json.",
            headers={"Accept": "application/json"},
        )


JsonOnly = Depends(_json_only)
