"""The route of AG-UI: a run as a stream of events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from ag_ui.core import BaseEvent, RunAgentInput
from ag_ui.encoder import EventEncoder
from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse

from ..chat.routes import PROBLEMS
from ..chat.streaming import event_stream
from ..problems import Problem, of_failure, responses
from ..security.authentication import Authenticated, UserPrincipal
from .service import AgUiService, error_of

router = APIRouter(
    prefix="/ag-ui", tags=["ag_ui"], dependencies=[Authenticated], responses=responses(401, 403, 429, 503)
)
# The events of a stream; their types are those of the `ag-ui` packages.
EVENTS: Final[dict[str, Any]] = {
    "text/event-stream": {
        "itemSchema": {
            "type": "object",
            "required": ["data"],
            "properties": {"data": {"type": "string", "contentMediaType": "application/json"}},
        }
    }
}
_encoder = EventEncoder()


async def _service(request: Request, principal: UserPrincipal) -> AgUiService:
    return AgUiService(request.app.state.settings, request.app.state.chat, principal)


@router.post(
    "",
    response_class=Response,  # EventSourceResponse would be described without `itemSchema`
    response_description="The events of the run, up to its end.",
    responses={200: {"content": EVENTS}, **responses(400, 404, 409, 413, 415, 422)},
)
async def run_agent(service: Annotated[AgUiService, Depends(_service)], given: RunAgentInput) -> EventSourceResponse:
    """Run the agent: send it the last message of a thread, or a person's answers to its interrupts.

    Repeating a run with the same `threadId` and `runId` within 24 h streams the events of the same turn.
    """
    run = await service.start(given)
    return event_stream(_encoded(service.stream(run)), _encoded_error)


async def _encoded(events: AsyncIterator[BaseEvent]) -> AsyncIterator[bytes]:
    async for event in events:
        yield _encoder.encode(event).encode()


def _encoded_error(failure: Exception) -> bytes:
    known = PROBLEMS.get(type(failure))
    problem = failure if isinstance(failure, Problem) else known(failure) if known else of_failure(failure)
    return _encoder.encode(error_of(problem)).encode()
