"""Limits on what a request may bring (rule 13.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from ..problems import Problem, answer

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestSizeMiddleware:
    """Refuses a body of more than `max_bytes`: at once where its length is declared, else as soon as it is exceeded.

    FastAPI's own `max_body_size` does the same, but answers in plain text.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if int(declared) > self.max_bytes:
            detail = f"The body is longer than {self.max_bytes} bytes."
            problem = Problem(413, "request-too-large", "The request is too large.", detail)
            await answer(problem.document, {"Connection": "close"})(scope, receive, send)
            return
        received = 0

        async def receive_within_limit() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                # Of all errors while a body is read, FastAPI lets only this one pass as it is.
                raise HTTPException(413, f"The body is longer than {self.max_bytes} bytes.")
            return message

        await self.app(scope, receive_within_limit, send)
