"""What the service does, each kind of it measured: turns, requests to the model, tool calls and tasks."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from ..services.interfaces import ModelError
from . import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from ..services.interfaces import ConversationItem, ModelReply, ToolCall, ToolDefinition, ToolOutcome

UNKNOWN_TOOL = "unknown"  # a model may call for anything


class Operation:
    """Something that takes its time: a context manager around it."""

    _started: float

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended(time.perf_counter() - self._started, error)

    def _ended(self, seconds: float, error: BaseException | None) -> None:
        """Count it."""


@dataclass(slots=True, kw_only=True)
class TurnOperation(Operation):
    """A turn, as far as this process runs it. `status` is set when it has ended for good."""

    session_id: str
    number: int
    created_at: datetime
    status: str | None = None

    def _ended(self, seconds: float, error: BaseException | None) -> None:  # noqa: ARG002 - it counts from its message
        if self.status is not None:
            tell_turn(self.status, self.created_at)


def tell_turn(status: str, created_at: datetime) -> None:
    """Count a turn that has ended now."""
    metrics.TURNS.labels(status).inc()
    metrics.TURN_DURATION.labels(status).observe(max(0.0, (datetime.now(UTC) - created_at).total_seconds()))


@dataclass(slots=True, kw_only=True)
class ModelOperation(Operation):
    """One request to the model. `reply` is set when it has answered."""

    model: str
    instructions: str
    conversation: Sequence[ConversationItem]
    tools: Sequence[ToolDefinition]
    reply: ModelReply | None = None

    def _ended(self, seconds: float, error: BaseException | None) -> None:
        metrics.LLM_REQUEST_DURATION.labels(self.model, _outcome(error)).observe(seconds)
        if error is not None and _outcome(error) == "error":
            metrics.LLM_ERRORS.labels(self.model, error.kind if isinstance(error, ModelError) else "internal").inc()
        if self.reply is not None:
            self._tell_reply(self.reply)

    def _tell_reply(self, reply: ModelReply) -> None:
        metrics.LLM_TOKENS.labels(self.model, "input").inc(reply.input_tokens)
        metrics.LLM_TOKENS.labels(self.model, "output").inc(reply.output_tokens)
        if reply.first_token_seconds is not None:
            metrics.LLM_TIME_TO_FIRST_TOKEN.labels(self.model).observe(reply.first_token_seconds)
        if reply.cost_usd is not None:
            metrics.LLM_COST.labels(self.model).inc(reply.cost_usd)


@dataclass(slots=True, kw_only=True)
class ToolOperation(Operation):
    """One tool call. `outcome` is set when the tool has ended, well or not."""

    call: ToolCall
    known: bool
    outcome: ToolOutcome | None = None

    def _ended(self, seconds: float, error: BaseException | None) -> None:
        tool = self.call.name if self.known else UNKNOWN_TOOL
        failed = error is not None or (self.outcome is not None and self.outcome.failed)
        cancelled = isinstance(error, asyncio.CancelledError)
        metrics.TOOL_CALLS.labels(tool, "cancelled" if cancelled else "failed" if failed else "ok").inc()
        metrics.TOOL_DURATION.labels(tool).observe(seconds)


@dataclass(slots=True, kw_only=True)
class TaskOperation(Operation):
    """One run of a background task."""

    task: str

    def _ended(self, seconds: float, error: BaseException | None) -> None:
        metrics.TASKS.labels(self.task, _outcome(error)).inc()
        metrics.TASK_DURATION.labels(self.task).observe(seconds)


def _outcome(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
