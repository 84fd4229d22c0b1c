"""The shapes of the events that `events` makes, for openapi.json, and the history that holds those of the steps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, TypeAdapter

from ..problems import SCHEMA as PROBLEM
from .models import Status, TurnError, TurnView, Usage, View

Name = TypeVar("Name", bound=str)
Data = TypeVar("Data", bound=BaseModel)

COMPONENTS = "#/components/schemas/"
# One event of a stream, as it is sent (`itemSchema` of OpenAPI 3.2).
STREAM: dict[str, Any] = {"itemSchema": {"$ref": f"{COMPONENTS}ServerSentEvent"}}


class TurnStarted(BaseModel):
    turn: int
    attempt: int = Field(description="How many processes have run the turn so far.")


class StepStarted(BaseModel):
    """A model response begins; the pieces of this step that came before are void."""

    step: int


class TextDelta(BaseModel):
    """A piece of the response."""

    step: int
    text: str


class ToolCalled(BaseModel):
    step: int
    call_id: str
    name: str
    arguments: dict[str, Any]


class StepFinished(BaseModel):
    """The whole response."""

    step: int
    text: str


class ToolReturned(BaseModel):
    step: int
    call_id: str
    name: str
    content: str
    failed: bool


class ApprovalRequired(BaseModel):
    """The call waits for a person's decision."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    expires_at: datetime


class TurnFinished(BaseModel):
    turn: int
    status: Status
    response: str | None
    error: TurnError | None
    finish_reason: str | None
    usage: Usage


class _Event(BaseModel, Generic[Name, Data]):
    event: Name
    data: Data


class TurnStartedEvent(_Event[Literal["turn.started"], TurnStarted]): ...


class StepStartedEvent(_Event[Literal["step.started"], StepStarted]): ...


class TextDeltaEvent(_Event[Literal["text.delta"], TextDelta]): ...


class ToolCalledEvent(_Event[Literal["tool.called"], ToolCalled]): ...


class StepFinishedEvent(_Event[Literal["step.finished"], StepFinished]): ...


class ToolReturnedEvent(_Event[Literal["tool.returned"], ToolReturned]): ...


class ApprovalRequiredEvent(_Event[Literal["approval.required"], ApprovalRequired]): ...


class TurnFinishedEvent(_Event[Literal["turn.finished"], TurnFinished]): ...


StepEvent = Annotated[
    StepStartedEvent | TextDeltaEvent | ToolCalledEvent | StepFinishedEvent | ToolReturnedEvent,
    Field(discriminator="event"),
]
TurnEvent = Annotated[
    TurnStartedEvent | StepEvent | ApprovalRequiredEvent | TurnFinishedEvent, Field(discriminator="event")
]


STEP_EVENT: TypeAdapter[StepEvent] = TypeAdapter(StepEvent)


class TurnInHistory(TurnView):
    steps: list[StepEvent] | None = Field(
        None, description="With `steps=true`: the events of the stored steps, each text in one piece."
    )


class History(View):
    history: list[TurnInHistory]


def schemas() -> dict[str, Any]:
    """Return `TurnEvent`, `ServerSentEvent` and what they refer to, as components of an OpenAPI description."""
    event = TypeAdapter(TurnEvent).json_schema(mode="serialization", ref_template=f"{COMPONENTS}{{model}}")
    components = event.pop("$defs")
    data = {
        name: components[reference.removeprefix(COMPONENTS)]["properties"]["data"]
        for name, reference in event["discriminator"]["mapping"].items()
    }
    sent = [_sent(name, schema) for name, schema in data.items()]
    return {**components, "TurnEvent": event, "ServerSentEvent": {"oneOf": [*sent, _sent("problem", PROBLEM)]}}


def _sent(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"const": name},
            "id": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data},
        },
    }
