"""Requests and responses of the API (rule 14.1), from which the OpenAPI description is generated."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StringConstraints

from .models import Status, TurnError


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_not_blank), AfterValidator(_storable)]


class View(BaseModel):
    """A response made from the attributes of an object of the chat."""

    model_config = ConfigDict(from_attributes=True)


class SessionCreated(View):
    session_id: UUID = Field(validation_alias=AliasChoices("session_id", "id"))


class SessionView(SessionCreated):
    turn_count: int
    created_at: datetime
    updated_at: datetime


class SessionPage(BaseModel):
    sessions: list[SessionView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class MessageIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Text = Field(description="At most MESSAGE_MAX_CHARACTERS long.")


class Usage(View):
    input_tokens: int
    output_tokens: int
    estimated: bool = Field(description="Whether some of them are estimated, since the provider did not report them.")


class TurnView(View):
    session_id: UUID
    turn: int = Field(validation_alias=AliasChoices("turn", "number"))
    status: Status
    message: str
    response: str | None
    error: TurnError | None
    model: str | None
    finish_reason: str | None = Field(
        description="Why the response ended: `stop`, `length` when it was cut, or the provider's own word."
    )
    usage: Usage
    created_at: datetime
    finished_at: datetime | None


class History(View):
    history: list[TurnView]


class DecisionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approved: bool = Field(description="Whether the call may run.")
    note: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)] | None = Field(
        None, description="The reason, shown to the model when the call is refused."
    )


class ApprovalView(View):
    call_id: str
    name: str = Field(validation_alias=AliasChoices("name", "tool"))
    arguments: dict[str, Any]
    expires_at: datetime
    approved: bool | None


class Approvals(View):
    approvals: list[ApprovalView]
