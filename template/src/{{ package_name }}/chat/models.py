"""What the chat keeps: sessions, turns, their steps and approvals, as the database holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Status(StrEnum):
    """The life of a turn. It only moves forward; the database sees to that."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting_for_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Session:
    id: UUID
    turn_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class Turn:
    """One message and what came of it. `fence` counts the processes that took the turn up: only the last one writes.

    `losses` counts those that went away without a word since the last step was committed. `finish_reason` is that of
    the response, see `ModelReply`; with `usage_estimated`, some of the tokens are an estimate.
    """

    session_id: UUID
    number: int
    owner: str
    status: Status
    message: str
    response: str | None
    error: dict[str, Any] | None
    model: str | None
    input_tokens: int
    output_tokens: int
    usage_estimated: bool
    finish_reason: str | None
    fence: int
    losses: int
    created_at: datetime
    finished_at: datetime | None

    def __post_init__(self) -> None:
        self.status = Status(self.status)

    @property
    def stream(self) -> str:
        """The name of its event stream."""
        return TurnKey(self.session_id, self.number).stream


@dataclass(slots=True)
class KeyedTurn(Turn):
    request_digest: str


@dataclass(frozen=True, slots=True)
class Step:
    """A response of the model, or the result of a tool: committed before the next begins."""

    number: int
    kind: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PastTurn:
    message: str
    steps: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision on one call of one response of the model: that of the step `step`."""

    step: int
    call_id: str
    tool: str
    arguments: dict[str, Any]
    expires_at: datetime
    approved: bool | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What an owner has used today."""

    tokens: int
    usd: float


@dataclass(frozen=True, slots=True)
class TurnKey:
    session_id: UUID
    number: int

    @property
    def stream(self) -> str:
        """The name of the turn's event stream."""
        return f"turn:{self.session_id}:{self.number}"
