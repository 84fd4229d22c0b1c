"""The data of the chat: rows of the database, and requests and responses of the API (rule 14.1)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StringConstraints,
    dataclasses,
)

from ..services.interfaces import ConversationItem, ModelReply, ToolCall, ToolOutcome, ToolResult, UserMessage

STORED_WITH_THE_TURN = {"finish_reason", "estimated"}  # processes of older releases cannot read them in a step


class Status(StrEnum):
    """The status of a turn. It only moves forward; a trigger of the database enforces that."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting_for_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


class TurnErrorType(StrEnum):
    MODEL_RATE_LIMITED = "model_rate_limited"
    MODEL_TIMEOUT = "model_timeout"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_INVALID_RESPONSE = "model_invalid_response"
    MODEL_REJECTED = "model_rejected"
    TURN_TIMEOUT = "turn_timeout"
    STEP_LIMIT = "step_limit"
    TOKEN_LIMIT = "token_limit"  # noqa: S105 - of tokens of a model
    COST_LIMIT = "cost_limit"
    BUDGET_SPENT = "budget_spent"
    PROCESS_LOST = "process_lost"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class TurnError:
    """Why a turn failed, as it is stored, streamed and returned by the API."""

    # Any string in the API description, since a later release may add types.
    type: Annotated[TurnErrorType, GetPydanticSchema(lambda _, handler: handler(str))]
    detail: str
    retry_after: Annotated[float | None, Field(description="Seconds, where it is known.")]
    resets: Annotated[
        str | None, Field(description="Of a spent budget: when it starts again, a time or `next-turn`.")
    ] = None


class TurnFailed(Exception):
    """Ends the turn with `error`."""

    def __init__(self, error: TurnError) -> None:
        super().__init__(error.detail)
        self.error = error


@dataclass(frozen=True, slots=True)
class TurnKey:
    session_id: UUID
    number: int

    def __str__(self) -> str:
        return f"{self.session_id}/{self.number}"

    @property
    def stream(self) -> str:
        """The name of the turn's event stream."""
        return f"turn:{self.session_id}:{self.number}"

    @property
    def job(self) -> dict[str, Any]:
        """The arguments of the task that runs the turn."""
        return {"session_id": str(self.session_id), "number": self.number}


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """A message and its outcome.

    `fence` counts the claims of the turn: only its latest holder can write. `crashes` counts the processes that died
    since the last committed step. `finish_reason` is the model's, see `ModelReply`. `usage_estimated` is true when the
    provider did not report some of the tokens. `request_digest` belongs to the idempotency key.
    """

    session_id: UUID
    number: int
    owner: str
    status: Status
    message: str
    response: str | None
    error: TurnError | None
    model: str | None
    input_tokens: int
    output_tokens: int
    usage_estimated: bool
    finish_reason: str | None
    request_digest: str | None
    fence: int
    crashes: int
    created_at: datetime
    finished_at: datetime | None

    @property
    def key(self) -> TurnKey:
        return TurnKey(self.session_id, self.number)

    @property
    def usage(self) -> Usage:
        """The tokens of the turn; its cost is not stored."""
        return Usage(input_tokens=self.input_tokens, output_tokens=self.output_tokens, estimated=self.usage_estimated)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for a request, and a digest of that request."""

    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class Step:
    """A response of the model, or the result of a tool, committed before the next step begins."""

    number: int
    kind: str
    content: dict[str, Any]

    @classmethod
    def of(cls, number: int, item: ModelReply | ToolResult) -> Step:
        content = asdict(item)
        if isinstance(item, ModelReply):
            return cls(number, "model", {name: content[name] for name in content.keys() - STORED_WITH_THE_TURN})
        outcome = item.outcome
        return cls(number, "tool", {"call": content["call"], "content": outcome.content, "failed": outcome.failed})

    @property
    def item(self) -> ModelReply | ToolResult:
        content = self.content
        if self.kind == "tool":
            return ToolResult(ToolCall(**content["call"]), ToolOutcome(content["content"], content["failed"]))
        return ModelReply(**{**content, "tool_calls": tuple(ToolCall(**call) for call in content["tool_calls"])})


@dataclasses.dataclass(frozen=True, slots=True)
class PastTurn:
    message: str
    steps: list[Step]

    @property
    def items(self) -> list[ConversationItem]:
        return [UserMessage(self.message), *(step.item for step in self.steps)]

    @property
    def size(self) -> int:
        """The approximate number of bytes that the model reads."""
        texts = [self.message]
        for step in self.steps:
            texts.append(step.content["content"] if step.kind == "tool" else step.content["text"])
            texts += [json.dumps(call["arguments"], ensure_ascii=False) for call in step.content.get("tool_calls", ())]
        return sum(len(text.encode()) for text in texts)


@dataclasses.dataclass(frozen=True, slots=True)
class StepsOfTurn:
    turn: int
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision on a tool call of the model response in step `step`."""

    step: int
    call_id: str
    tool: str
    arguments: dict[str, Any]
    expires_at: datetime
    approved: bool | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """An owner's usage of today, and their daily limits; `None` is no limit."""

    tokens: int
    usd: float
    tokens_per_day: int | None
    usd_per_day: float | None


# Requests and responses of the API


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


class View(BaseModel):
    """A response made from the attributes of an object of the chat."""

    model_config = ConfigDict(from_attributes=True)


class SessionCreated(BaseModel):
    session_id: UUID


class SessionView(SessionCreated):
    title: str | None = Field(description="The beginning of the first message; null without one.")
    turn_count: int
    created_at: datetime
    updated_at: datetime


class SessionPage(BaseModel):
    sessions: list[SessionView]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class MessageIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, StringConstraints(min_length=1), AfterValidator(_not_blank), AfterValidator(_storable)] = (
        Field(description="At most MESSAGE_MAX_CHARACTERS long.")
    )


class Usage(BaseModel):
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


class BudgetIn(BaseModel):
    """0 is no limit, null the limit of the settings."""

    model_config = ConfigDict(extra="forbid")

    tokens_per_day: int | None = Field(None, ge=0, le=2**53, description="Tokens, in and out, of one day (UTC).")
    usd_per_day: float | None = Field(None, ge=0, le=1e9, description="Costs of one day (UTC), in US dollars.")
