"""Runs one turn: ask the model, commit the response, run the tools, commit each result, repeat.

Each step is committed before the next begins, and each write is fenced. So another process can resume the turn after
any step, and a process that returns late writes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import structlog

from .. import agent
from ..extensions import ToolContext
from ..observability.instrumentation import ToolOperation
from ..observability.metrics import BUDGET_REFUSALS
from ..services.interfaces import (
    ConversationItem,
    ModelError,
    ModelReply,
    ServiceUnavailable,
    ToolCall,
    ToolOutcome,
    ToolResult,
    Usage,
    UserMessage,
)
from . import budgets, events
from .asking import Models
from .errors import LeaseLost
from .events import Publisher
from .models import Approval, PastTurn, Step, Turn, TurnError, TurnErrorType, TurnFailed
from .turn_store import TurnStore

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer
    from .models import Spending

log = structlog.get_logger()

NEXT_TURN = "next-turn"  # when the budget of a turn starts again
MAX_UNREADABLE = 3  # responses in a row in which no call names a tool and has a JSON object as arguments
MAX_CRASHES = 5  # processes in a row that die, or lose the database, in the same step


@cache
def instructions() -> str:
    return files(agent).joinpath("instructions.md").read_text(encoding="utf-8")


class RunningTurn:
    """One attempt at a turn that this process has claimed.

    The supervisor sets its task, and the end of its lease by the monotonic clock.
    """

    task: asyncio.Task[Turn | None]
    held_until: float

    def __init__(
        self, settings: Settings, services: ServiceContainer, turn: Turn, spending: Spending | None = None
    ) -> None:
        self.turn = turn
        self.publisher = Publisher(services.event_stream, turn)
        self._settings = settings
        self._services = services
        self._models = Models(settings, services)
        self._store = TurnStore(services.database)
        self._conversation: list[ConversationItem] = []
        self._number = 0  # of the last committed step
        self._replies: list[ModelReply] = []
        self._reply_number = 0  # the step of the last one
        self._open_calls: dict[str, ToolCall] = {}  # of the last one, without a result
        self._spending = spending  # the owner's, when last read; `None` in a resumed turn
        self._unreadable = 0  # responses in a row
        self._committing = asyncio.Lock()

    async def wait(self) -> Turn | None:
        """The finished turn; `None` when it waits for an approval, was cancelled, or continues in another process."""
        await asyncio.wait({self.task})
        return None if self.task.cancelled() else self.task.result()

    async def run(self) -> Turn | None:
        """Run the turn to its end; `None` when it waits for an approval.

        Raises `LeaseLost` and `ServiceUnavailable`: the turn then continues in another process, or later.
        """
        self.publisher.publish(events.started(self.turn))
        try:
            async with asyncio.timeout(self._settings.TURN_TIMEOUT_SECONDS):
                ended = await self._loop()
        except ModelError as failed:
            log.warning("model_failed", kind=failed.kind)
            error = TurnError(TurnErrorType(f"model_{failed.kind}"), failed.detail, failed.retry_after)
            ended = await self._store.fail(self.turn, error, failed.used)
        except TurnFailed as failed:
            ended = await self._store.fail(self.turn, failed.error, Usage())
        except TimeoutError:
            detail = f"The turn took longer than {self._settings.TURN_TIMEOUT_SECONDS:g} seconds."
            error = TurnError(TurnErrorType.TURN_TIMEOUT, detail, None)
            ended = await self._store.fail(self.turn, error, Usage())
        if ended is not None:
            self.publisher.publish(events.finished(ended))
        return ended

    async def _loop(self) -> Turn | None:
        if self.turn.crashes >= MAX_CRASHES:  # the turn may be their cause
            log.error("turn_abandoned", crashes=self.turn.crashes)
            detail = f"{MAX_CRASHES} processes in a row ended while they ran the turn."
            raise TurnFailed(TurnError(TurnErrorType.PROCESS_LOST, detail, None))
        await self._load()
        while True:
            if not self._open_calls:
                ended = await self._ask()
                if ended is not None:
                    return ended
            elif not await self._run_tools(list(self._open_calls.values())):
                return None

    async def _load(self) -> None:
        turn = self.turn
        await self._services.toolbox.load()
        if turn.number > 1:
            past = await self._store.past_turns(turn, self._settings.HISTORY_MAX_TURNS)
            for earlier in latest(past, self._settings.HISTORY_MAX_BYTES):
                self._conversation.extend(earlier.items)
        self._conversation.append(UserMessage(turn.message))
        if turn.fence > 1:
            for step in await self._store.steps(turn):
                self._advance(step.number, step.item)
                self.publisher.publish(*events.whole_step(step))

    def _advance(self, number: int, item: ModelReply | ToolResult) -> None:
        """Continue the conversation with a committed step.

        Raises `ModelError` when two calls of a response share an id: a decision or result of one would apply to the
        other.
        """
        self._number = number
        self._conversation.append(item)
        if isinstance(item, ToolResult):
            self._open_calls.pop(item.call.id, None)
            return
        self._reply_number = number
        self._replies.append(item)
        self._open_calls = {call.id: call for call in item.tool_calls}
        if len(self._open_calls) < len(item.tool_calls):
            raise ModelError("invalid_response", "two calls of the response have the same id")

    async def _ask(self) -> Turn | None:
        """Request and commit a response of the model; returns the finished turn unless the response calls tools."""
        spending = await self._check_limits()
        number = self._number + 1
        self.publisher.publish(events.step_started(number))

        async def on_text(text: str) -> None:
            self.publisher.publish_text(number, text)

        async def on_discard() -> None:
            self.publisher.publish(events.step_started(number))  # voids the text so far

        try:
            reply = await self._models.respond(instructions(), self._conversation, on_text, on_discard)
        except asyncio.CancelledError:
            await self._add_usage(self._models.billed)
            raise
        step = Step.of(number, reply)
        ended = None
        try:
            if reply.tool_calls:
                self._spending = await self._store.commit_reply(self.turn, step, reply.used, spending)
            else:
                ended = await self._store.succeed(self.turn, step, reply.model, reply.used, reply.finish_reason)
        except LeaseLost:
            await self._add_usage(reply.used)
            raise
        self.publisher.publish(*events.end_of_step(step))
        self._advance(number, reply)
        return ended

    async def _add_usage(self, usage: Usage) -> None:
        """Charge the owner for a response that is not committed: the turn was cancelled, timed out, or moved on."""
        if usage != Usage():
            with suppress(ServiceUnavailable):
                await self._store.add_usage(self.turn.owner, usage)

    async def _check_limits(self) -> Spending:
        """The owner's spending.

        Raises `TurnFailed` at a limit, and `ModelError` when the model keeps failing to call a tool.
        """
        if self._unreadable >= MAX_UNREADABLE:
            detail = f"the tool calls of {MAX_UNREADABLE} responses in a row cannot be read"
            raise ModelError("invalid_response", detail)
        if len(self._replies) >= self._settings.TURN_MAX_STEPS:
            detail = f"The turn took {len(self._replies)} steps without an answer."
            raise TurnFailed(TurnError(TurnErrorType.STEP_LIMIT, detail, None))
        tokens = sum(reply.input_tokens + reply.output_tokens for reply in self._replies)
        if tokens >= self._settings.TURN_MAX_TOKENS:
            raise _turn_budget_spent(TurnErrorType.TOKEN_LIMIT, "turn_tokens", f"used {tokens} tokens")
        usd = sum(reply.cost_usd or 0.0 for reply in self._replies)
        if 0 < self._settings.TURN_MAX_USD <= usd:
            raise _turn_budget_spent(TurnErrorType.COST_LIMIT, "turn_cost", f"cost {usd:.4f} US dollars")
        if self._spending is None:
            self._spending = await budgets.find_spending(self._services.database, self._settings, self.turn.owner)
        budgets.check(self._spending)
        return self._spending

    async def _run_tools(self, calls: Sequence[ToolCall]) -> bool:
        """Run the calls concurrently, committing each result; false when some of them wait for an approval."""
        approvals = await self._approvals(calls)
        waiting = []
        self._unreadable = 0 if approvals else self._unreadable + 1
        try:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    approval = approvals.get(call.id)
                    if approval is None or approval.approved:
                        group.create_task(self._run_tool(call))
                    elif approval.approved is None and approval.expires_at > datetime.now(UTC):
                        waiting.append(approval)
                    else:
                        group.create_task(self._commit_result(call, _refusal(approval)))
        except* (LeaseLost, ServiceUnavailable) as failed:
            raise failed.exceptions[0] from None
        if not waiting:
            return True
        await self._store.park(self.turn, waiting)
        self.publisher.publish(*map(events.approval_required, waiting))
        return False

    async def _approvals(self, calls: Sequence[ToolCall]) -> dict[str, Approval]:
        """The approvals that the calls need, stored or new, by the id of the call."""
        tools = {tool.name for tool in self._services.toolbox.definitions if tool.requires_approval}
        needed = [call for call in calls if call.name in tools]
        if not needed:
            return {}
        reply = self._reply_number
        known = {each.call_id: each for each in await self._store.approvals(self.turn) if each.step == reply}
        expires = datetime.now(UTC) + timedelta(seconds=self._settings.APPROVAL_TIMEOUT_SECONDS)
        return {
            call.id: known.get(call.id) or Approval(reply, call.id, call.name, call.arguments, expires)
            for call in needed
        }

    async def _run_tool(self, call: ToolCall) -> None:
        turn = self.turn
        context = ToolContext(
            settings=self._settings,
            services=self._services,
            owner=turn.owner,
            session_id=turn.session_id,
            turn=turn.number,
            call_key=f"{turn.key}/{self._reply_number}/{call.id}",
        )
        known = any(tool.name == call.name for tool in self._services.toolbox.definitions)
        with ToolOperation(call=call, known=known) as operation:
            operation.outcome = outcome = await self._services.toolbox.call(call, context)
        if not outcome.unreadable:
            self._unreadable = 0
        await self._commit_result(call, outcome)

    async def _commit_result(self, call: ToolCall, outcome: ToolOutcome) -> None:
        result = ToolResult(call, outcome)
        async with self._committing:
            step = Step.of(self._number + 1, result)
            await self._store.commit_step(self.turn, step)
            self.publisher.publish(*events.end_of_step(step))
            self._advance(step.number, result)


def latest(turns: Sequence[PastTurn], max_bytes: int) -> list[PastTurn]:
    """The last turns that fit into `max_bytes`. A larger one is cut to its message and answer, if those fit."""
    kept: list[PastTurn] = []
    for turn in reversed(turns):
        answered = replace(turn, steps=turn.steps[-1:])
        fitting = next((part for part in (turn, answered) if part.size <= max_bytes), None)
        if fitting is None:
            break
        max_bytes -= fitting.size
        kept.append(fitting)
    return kept[::-1]


def _turn_budget_spent(type_: TurnErrorType, budget: str, used: str) -> TurnFailed:
    BUDGET_REFUSALS.labels(budget).inc()
    detail = f"The turn {used} without an answer. The next message has a budget of its own."
    return TurnFailed(TurnError(type_, detail, None, NEXT_TURN))


def _refusal(approval: Approval) -> ToolOutcome:
    if approval.approved is None:
        return ToolOutcome("Nobody approved the call in time.", failed=True)
    note = f": {approval.note}" if approval.note else "."
    return ToolOutcome(f"A person refused the call{note}", failed=True)
