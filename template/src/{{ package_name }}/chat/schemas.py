"""What the API takes and gives (rule 14.1). OpenAPI is made from these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from .models import Status


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_not_blank), AfterValidator(_storable)]


class SessionCreated(BaseModel):
    session_id: UUID


class SessionView(BaseModel):
    session_id: UUID
    turn_count: int
    created_at: datetime
    updated_at: datetime


class SessionPage(BaseModel):
    sessions: list[SessionView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class MessageIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Text = Field(description="Of MESSAGE_MAX_CHARACTERS at most.")


class Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    estimated: bool = Field(description="Whether the provider did not report some of them, so that they are estimated.")


class TurnError(BaseModel):
    type: str
    detail: str
    retry_after: float | None = Field(description="Seconds, where it is known.")
    resets: str | None = Field(
        None, description="Of a budget that is spent: when it begins anew, a time or `next-turn`."
    )


class TurnView(BaseModel):
    session_id: UUID
    turn: int
    status: Status
    message: str
    response: str | None
    error: TurnError | None
    model: str | None
    finish_reason: str | None = Field(
        description="Why the response ended: `stop`, `length` where it was cut, or the provider's own word."
    )
    usage: Usage
    created_at: datetime
    finished_at: datetime | None


class History(BaseModel):
    history: list[TurnView]


class DecisionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approved: bool = Field(description="Whether the call may run.")
    note: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)] | None = Field(
        None, description="The reason, which the model is shown when the call is refused."
    )


class ApprovalView(BaseModel):
    call_id: str
    name: str
    arguments: dict[str, Any]
    expires_at: datetime
    approved: bool | None


class Approvals(BaseModel):
    approvals: list[ApprovalView]
