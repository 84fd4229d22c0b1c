"""Contracts of the backing services (rule 4.1): what the rest of the code knows about them, and all it knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio

    from ..extensions import Task, TaskContext, ToolContext

Row = TypeVar("Row")
Parameters = Mapping[str, object]


class ServiceUnavailable(Exception):
    """A backing service cannot be reached; the caller may try again later."""

    def __init__(self, service: str) -> None:
        super().__init__(f"{service} is unavailable")
        self.service = service


class UniqueConflict(Exception):
    """A statement broke the uniqueness constraint named."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"conflict on {constraint}")
        self.constraint = constraint


class Executor(Protocol):
    """Runs SQL: the database itself (each statement its own transaction), or one open transaction.

    Parameters are always bound, `%(name)s`; a `dict` becomes `jsonb`. Rows become the dataclass `row`, by column name.
    Raises `UniqueConflict`, and `ServiceUnavailable` when the connection is lost.
    """

    async def fetch_all(self, row: type[Row], query: LiteralString, parameters: Parameters = ...) -> list[Row]: ...

    async def fetch_one(self, row: type[Row], query: LiteralString, parameters: Parameters = ...) -> Row | None: ...

    async def fetch_value(self, query: LiteralString, parameters: Parameters = ...) -> Any:
        """The first column of the first row, or `None`."""
        ...

    async def execute(self, query: LiteralString, parameters: Parameters = ...) -> int:
        """Run a statement; returns the number of rows it affected."""
        ...


class Service(Protocol):
    """What every backing service can do for the container and the health checks."""

    async def open(self) -> None:
        """Connect; raises `ServiceUnavailable`."""
        ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """One cheap round trip; raises `ServiceUnavailable`."""
        ...


class Database(Executor, Service, Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        """Statements that commit together, or not at all."""
        ...


class Cache(Service, Protocol):
    """Text by key. Whatever is in it may be lost at any time."""

    async def get(self, key: str) -> str | None: ...

    async def set(self, key: str, value: str, ttl: int | None = None) -> None:
        """Store `value` for `ttl` seconds (REDIS_TTL when not given)."""
        ...

    async def delete(self, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    `id` is `<major>-<minor>`; ids of a stream only grow, so that a writer whose major number is out of date is refused.
    """

    id: str
    type: str
    data: dict[str, Any]


class EventStream(Service, Protocol):
    """Append-only, capped and expiring streams of events, readable by any replica."""

    async def append(self, stream: str, events: Sequence[Event]) -> None:
        """Append in order. An event whose id the stream has passed already is left out, so a retry is safe."""
        ...

    async def read(self, stream: str, after: str | None, block_seconds: float) -> list[Event]:
        """Events after the id `after` (from the beginning when `None`), waiting up to `block_seconds` for the first."""
        ...


class TaskQueue(Service, Protocol):
    """Hands tasks to worker processes: at least once each, so a task must bear being run twice."""

    async def enqueue(
        self, task: str, arguments: dict[str, Any], *, executor: Executor | None = None, key: str | None = None
    ) -> None:
        """Queue the task registered under the name `task`.

        With `executor` (an open transaction) the job exists if and only if that transaction commits, where the queue
        can do so. While a job with the same `key` waits, another is not queued.
        """
        ...

    async def depth(self) -> int:
        """Jobs waiting to be run."""
        ...

    async def work(self, tasks: Mapping[str, Task], context: TaskContext, stop: asyncio.Event) -> None:
        """Run jobs, WORKER_CONCURRENCY at a time, until `stop` is set.

        Those under way then have SHUTDOWN_GRACE_SECONDS to end; what has not ended goes back to the queue.
        """
        ...


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a tool run. `arguments` is as the model wrote it: not yet validated."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    name: str
    description: str
    parameters: dict[str, Any]
    requires_approval: bool


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What goes back to the model. `failed` marks a refusal or an error, told in `content`."""

    content: str
    failed: bool = False


class Toolbox(Protocol):
    """The allow-list of tools: nothing outside it is ever run."""

    async def load(self) -> None:
        """Make the tools ready, once, without holding up the event loop. `definitions` does so too, but holds it up."""
        ...

    @property
    def definitions(self) -> Sequence[ToolDefinition]: ...

    async def call(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        """Validate the arguments and run the tool. Never raises for what the model or the tool did wrong."""
        ...


@dataclass(frozen=True, slots=True)
class UserMessage:
    text: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    call: ToolCall
    outcome: ToolOutcome


@dataclass(frozen=True, slots=True)
class ModelReply:
    """One response of the model. `payload` holds it whole, as the model library serialises it, to be sent back."""

    text: str
    tool_calls: tuple[ToolCall, ...]
    input_tokens: int
    output_tokens: int
    model: str
    payload: dict[str, Any]


ConversationItem = UserMessage | ModelReply | ToolResult


class ModelError(Exception):
    """The language model did not answer.

    `kind` is rate_limited, timeout, unavailable, invalid_response or rejected. `retry_after` is in seconds, where the
    provider told.
    """

    def __init__(self, kind: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.retry_after = retry_after


class LanguageModel(Service, Protocol):
    async def respond(
        self,
        instructions: str,
        conversation: Sequence[ConversationItem],
        tools: Sequence[ToolDefinition],
        on_text: Callable[[str], Awaitable[None]],
    ) -> ModelReply:
        """Ask for the next response; `on_text` gets its text piece by piece as it comes. Raises `ModelError`."""
        ...
