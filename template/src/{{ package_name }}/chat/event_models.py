"""The shapes of the events that `events` makes, for openapi.json, and the history that holds those of the steps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ..problems import SCHEMA as PROBLEM
from .models import Status, TurnError, TurnView, Usage, View

COMPONENTS = "#/components/schemas/"
# One event of a stream, as it is sent (`itemSchema` of OpenAPI 3.2).
STREAM: dict[str, Any] = {"itemSchema": {"$ref": f"{COMPONENTS}ServerSentEvent"}}


class _Shape(BaseModel):
    model_config = ConfigDict(defer_build=True)  # most shapes are for openapi.json only


class TurnStarted(_Shape):
    turn: int
    attempt: int = Field(description="How many processes have run the turn so far.")


class StepStarted(_Shape):
    """A model response begins; the pieces of this step that came before are void."""

    step: int


class TextDelta(_Shape):
    """A piece of the response."""

    step: int
    text: str


class ToolCalled(_Shape):
    step: int
    call_id: str
    name: str
    arguments: dict[str, Any]


class StepFinished(_Shape):
    """The whole response."""

    step: int
    text: str


class ToolReturned(_Shape):
    step: int
    call_id: str
    name: str
    content: str
    failed: bool


class ApprovalRequired(_Shape):
    """The call waits for a person's decision."""

    call_id: str
    name: str
    arguments: dict[str, Any]
    expires_at: datetime


class TurnFinished(_Shape):
    turn: int
    status: Status
    response: str | None
    error: TurnError | None
    finish_reason: str | None
    output: dict[str, Any] | None
    usage: Usage


class TurnStartedEvent(_Shape):
    event: Literal["turn.started"]
    data: TurnStarted


class StepStartedEvent(_Shape):
    event: Literal["step.started"]
    data: StepStarted


class TextDeltaEvent(_Shape):
    event: Literal["text.delta"]
    data: TextDelta


class ToolCalledEvent(_Shape):
    event: Literal["tool.called"]
    data: ToolCalled


class StepFinishedEvent(_Shape):
    event: Literal["step.finished"]
    data: StepFinished


class ToolReturnedEvent(_Shape):
    event: Literal["tool.returned"]
    data: ToolReturned


class ApprovalRequiredEvent(_Shape):
    event: Literal["approval.required"]
    data: ApprovalRequired


class TurnFinishedEvent(_Shape):
    event: Literal["turn.finished"]
    data: TurnFinished


StepEvent = Annotated[
    StepStartedEvent | TextDeltaEvent | ToolCalledEvent | StepFinishedEvent | ToolReturnedEvent,
    Field(discriminator="event"),
]
TurnEvent = Annotated[
    TurnStartedEvent | StepEvent | ApprovalRequiredEvent | TurnFinishedEvent, Field(discriminator="event")
]


STEP_EVENT: TypeAdapter[StepEvent] = TypeAdapter(StepEvent, config=ConfigDict(defer_build=True))


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
