"""Requests and responses of the API (rule 14.1), from which the OpenAPI description is generated."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from .models import Approval, Session, Status, Turn, TurnError


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

    @classmethod
    def of(cls, session: Session) -> Self:
        return cls(
            session_id=session.id,
            turn_count=session.turn_count,
            created_at=session.created_at,
            updated_at=session.updated_at,
        )


class SessionPage(BaseModel):
    sessions: list[SessionView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class MessageIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Text = Field(description="At most MESSAGE_MAX_CHARACTERS long.")


class Usage(BaseModel):
    input_tokens: int
    output_tokens: int
    estimated: bool = Field(description="Whether some of them are estimated, since the provider did not report them.")


class TurnView(BaseModel):
    session_id: UUID
    turn: int
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

    @classmethod
    def of(cls, turn: Turn) -> Self:
        return cls(
            session_id=turn.session_id,
            turn=turn.number,
            status=turn.status,
            message=turn.message,
            response=turn.response,
            error=turn.error,
            model=turn.model,
            finish_reason=turn.finish_reason,
            usage=Usage(
                input_tokens=turn.input_tokens, output_tokens=turn.output_tokens, estimated=turn.usage_estimated
            ),
            created_at=turn.created_at,
            finished_at=turn.finished_at,
        )


class History(BaseModel):
    history: list[TurnView]


class DecisionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approved: bool = Field(description="Whether the call may run.")
    note: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)] | None = Field(
        None, description="The reason, shown to the model when the call is refused."
    )


class ApprovalView(BaseModel):
    call_id: str
    name: str
    arguments: dict[str, Any]
    expires_at: datetime
    approved: bool | None

    @classmethod
    def of(cls, approval: Approval) -> Self:
        return cls(
            call_id=approval.call_id,
            name=approval.tool,
            arguments=approval.arguments,
            expires_at=approval.expires_at,
            approved=approval.approved,
        )


class Approvals(BaseModel):
    approvals: list[ApprovalView]
