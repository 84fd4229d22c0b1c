"""What the routes of OpenAI's API share."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from fastapi.responses import Response as HttpResponse
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel

from ..chat.routes import PROBLEMS
from ..chat.streaming import event_stream
from ..problems import Problem, of_failure
from ..security.authentication import UserPrincipal
from .errors import error_of
from .service import OpenAIService
from .streams import FINAL, Content

# The events of a stream; their types are those of the `openai` packages.
EVENTS: Final[dict[str, Any]] = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "required": ["data"],
            "properties": {
                "event": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json"},
            },
        }
    }
}


async def _service(request: Request, principal: UserPrincipal) -> OpenAIService:
    state = request.app.state
    return OpenAIService(state.settings, state.services, state.chat, principal)


Service = Annotated[OpenAIService, Depends(_service)]
RepeatKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Repeating a request under its key within 24 h is safe.",
    ),
]


def answer(content: BaseModel) -> HttpResponse:
    """An object of the API, which needs no second validation."""
    return JSONResponse(content.model_dump(mode="json"))


def stream_of(events: AsyncIterator[Content]) -> EventSourceResponse:
    """The events of a response as server-sent events."""
    return event_stream(_encoded(events), _encoded_error)


async def _encoded(events: AsyncIterator[Content]) -> AsyncIterator[bytes]:
    async for event in events:
        yield format_sse_event(data_str=json.dumps(event, ensure_ascii=False), event=event["type"])


def problem_of(failure: Exception) -> Problem:
    """The problem that broke a stream. One that is not expected is logged."""
    known = PROBLEMS.get(type(failure))
    return failure if isinstance(failure, Problem) else known(failure) if known else of_failure(failure)


def _encoded_error(failure: Exception) -> bytes:
    error = error_of(problem_of(failure).document)
    event = {"type": "error", "code": error.code, "message": error.message, "param": None}
    return format_sse_event(data_str=json.dumps({**event, "sequence_number": FINAL}), event="error")
