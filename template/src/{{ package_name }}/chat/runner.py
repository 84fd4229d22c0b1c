"""One turn, from its message to its end: ask the model, commit the response, run the tools, commit each result, repeat.

Each step is committed before the next begins, and every write names the fence under which this process holds the turn.
So the turn may be taken up by another process after any step, and a process that comes back late writes nothing.
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
from ..observability.instrumentation import ModelOperation, ToolOperation
from ..observability.metrics import BUDGET_REFUSALS
from ..services.interfaces import (
    ConversationItem,
    ModelError,
    ModelReply,
    ModelUse,
    ServiceUnavailable,
    ToolCall,
    ToolOutcome,
    ToolResult,
    UserMessage,
)
from . import events
from .budgets import Budgets, BudgetSpent
from .message_history import item_of, items_of_past, latest, model_step, tool_step
from .models import Approval, Turn
from .turn_store import LeaseLost

if TYPE_CHECKING:
    from ..config import Settings
    from ..services.container import ServiceContainer
    from .budgets import Spending
    from .events import Publisher
    from .session_store import ChatRepository

log = structlog.get_logger()

NEXT_TURN = "next-turn"  # when the budget of a turn begins anew
MAX_UNREADABLE = 3  # responses in a row whose calls all name no tool, or have arguments that are no JSON object
MAX_LOSSES = 5  # processes in a row that end, or lose the database, within one and the same step


@cache
def instructions() -> str:
    return files(agent).joinpath("instructions.md").read_text(encoding="utf-8")


class LimitReached(Exception):
    """The turn used up what it was allowed: `kind` is step_limit, token_limit, cost_limit or process_lost."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.resets: str | None = None


class TurnBudgetSpent(LimitReached):
    """What one turn may use is spent. There is no time to wait for: the next message has a budget of its own."""

    def __init__(self, kind: str, budget: str, used: str) -> None:
        super().__init__(kind, f"The turn {used} without an answer. The next message has a budget of its own.")
        self.resets = NEXT_TURN
        BUDGET_REFUSALS.labels(budget).inc()


class TurnRun:
    """One attempt at a turn that this process has taken up."""

    def __init__(
        self,
        settings: Settings,
        services: ServiceContainer,
        repository: ChatRepository,
        turn: Turn,
        publisher: Publisher,
        spending: Spending | None = None,
    ) -> None:
        self._settings = settings
        self._services = services
        self._repository = repository
        self._turn = turn
        self._publisher = publisher
        self._conversation: list[ConversationItem] = []
        self._number = 0  # of the last step committed
        self._reply_number = 0  # of the last step that is a response of the model
        self._replies = 0
        self._tokens = turn.input_tokens + turn.output_tokens
        self._usd = 0.0
        self._spending = spending  # the owner's, as it was last seen
        self._unreadable = 0  # responses in a row
        self._committing = asyncio.Lock()

    async def run(self) -> Turn | None:
        """Run the turn until it ends; `None` when it waits for an approval.

        Raises `LeaseLost` and `ServiceUnavailable`: the turn then goes on elsewhere, or later.
        """
        self._publisher.publish("turn.started", events.started(self._turn))
        try:
            async with asyncio.timeout(self._settings.TURN_TIMEOUT_SECONDS):
                ended = await self._loop()
        except ModelError as error:
            log.warning("the model did not answer", kind=error.kind)
            ended = await self._fail(f"model_{error.kind}", error.detail, error.retry_after, used=error.used)
        except LimitReached as error:
            ended = await self._fail(error.kind, error.detail, resets=error.resets)
        except BudgetSpent as error:
            ended = await self._fail("budget_spent", str(error), error.retry_after, error.resets)
        except TimeoutError:
            seconds = self._settings.TURN_TIMEOUT_SECONDS
            ended = await self._fail("turn_timeout", f"The turn took longer than {seconds:g} seconds.")
        if ended is not None:
            self._publisher.publish("turn.finished", events.finished(ended))
        return ended

    async def _fail(
        self,
        kind: str,
        detail: str,
        retry_after: float | None = None,
        resets: str | None = None,
        used: ModelUse | None = None,
    ) -> Turn:
        error = {"type": kind, "detail": detail, "retry_after": retry_after, "resets": resets}
        return await self._repository.fail(self._turn, error, used or ModelUse())

    async def _loop(self) -> Turn | None:
        if self._turn.losses >= MAX_LOSSES:  # it may be what ends them
            log.error("the turn is given up: each process that ran it ended", processes=self._turn.losses)
            raise LimitReached("process_lost", f"{MAX_LOSSES} processes in a row ended while they ran the turn.")
        await self._load()
        while True:
            calls = self._open_calls()
            if not calls:
                ended = await self._ask()
                if ended is not None:
                    return ended
            elif not await self._run_tools(calls):
                return None

    async def _load(self) -> None:
        turn = self._turn
        await self._services.toolbox.load()
        if turn.number > 1:
            past = await self._repository.past_turns(turn, self._settings.HISTORY_MAX_TURNS)
            self._conversation.extend(items_of_past(latest(past, self._settings.HISTORY_MAX_BYTES)))
        self._conversation.append(UserMessage(turn.message))
        if turn.fence > 1:
            for step in await self._repository.steps(turn):
                item = item_of(step.kind, step.content)
                self._conversation.append(item)
                self._number = step.number
                if isinstance(item, ModelReply):
                    self._reply_number = step.number
                    self._replies += 1
                    self._usd += item.cost_usd or 0.0
                for event in events.whole_step(step):
                    self._publisher.publish(*event)

    def _open_calls(self) -> list[ToolCall]:
        """The tool calls of the last response that have no result yet.

        Raises `ModelError` where two calls have one id: what is decided of the one, or done, would hold for the other.
        """
        answered: set[str] = set()
        for item in reversed(self._conversation):
            if isinstance(item, ToolResult):
                answered.add(item.call.id)
            elif isinstance(item, ModelReply):
                if len({call.id for call in item.tool_calls}) < len(item.tool_calls):
                    raise ModelError("invalid_response", "two calls of the response have the same id")
                return [call for call in item.tool_calls if call.id not in answered]
            else:
                break
        return []

    async def _ask(self) -> Turn | None:
        """One response of the model, committed; the turn as it ended, when the response calls no tool."""
        await self._check_limits()
        number = self._number + 1
        self._publisher.publish("step.started", {"step": number})

        async def on_text(text: str) -> None:
            self._publisher.publish("text.delta", {"step": number, "text": text})

        async def on_discard() -> None:
            self._publisher.publish("step.started", {"step": number})  # voids the pieces so far

        with ModelOperation(
            model=self._settings.LLM_MODEL,
            instructions=instructions(),
            conversation=self._conversation,
            tools=self._services.toolbox.definitions,
        ) as request:
            try:
                request.reply = reply = await self._services.language_model.respond(
                    request.instructions,
                    request.conversation,
                    request.tools,
                    on_text,
                    request.record_cancelled,
                    on_discard,
                )
            except asyncio.CancelledError:
                await self._pay(request.cancelled)
                raise
        step = model_step(number, reply)
        ended = None
        try:
            if reply.tool_calls:
                today = await self._repository.commit_reply(self._turn, step, reply.used)
                self._spending = self._spending and replace(self._spending, tokens=today.tokens, usd=today.usd)
            else:
                ended = await self._repository.succeed(self._turn, step, reply.model, reply.used, reply.finish_reason)
        except LeaseLost:
            await self._pay(reply.used)
            raise
        self._number = self._reply_number = number
        self._replies += 1
        self._tokens += reply.input_tokens + reply.output_tokens
        self._usd += reply.cost_usd or 0.0
        self._conversation.append(reply)
        for event in events.end_of_step(step):
            self._publisher.publish(*event)
        return ended

    async def _pay(self, used: ModelUse | None) -> None:
        """Count a response that is not committed: its turn was cancelled, timed out, or goes on in another process."""
        if used is not None:
            with suppress(ServiceUnavailable):
                await self._repository.use(self._turn.owner, used)

    async def _check_limits(self) -> None:
        """Raises `LimitReached`, `BudgetSpent`, and `ModelError` where the model keeps failing to call a tool.

        Asks the database only in a turn that was resumed.
        """
        if self._unreadable >= MAX_UNREADABLE:
            detail = f"the tool calls of {MAX_UNREADABLE} responses in a row cannot be read"
            raise ModelError("invalid_response", detail)
        if self._replies >= self._settings.TURN_MAX_STEPS:
            raise LimitReached("step_limit", f"The turn took {self._replies} steps without an answer.")
        if self._tokens >= self._settings.TURN_MAX_TOKENS:
            raise TurnBudgetSpent("token_limit", "turn_tokens", f"used {self._tokens} tokens")
        if 0 < self._settings.TURN_MAX_USD <= self._usd:
            raise TurnBudgetSpent("cost_limit", "turn_cost", f"cost {self._usd:.4f} US dollars")
        if self._spending is None:
            self._spending = await Budgets(self._settings, self._services.database).spending(self._turn.owner)
        if self._spending.spent is not None:
            raise BudgetSpent(self._spending.spent)

    async def _run_tools(self, calls: Sequence[ToolCall]) -> bool:
        """Run the calls at the same time, each result committed as it comes; false when some wait for a person."""
        approvals = {approval.call_id: approval for approval in await self._approvals(calls)}
        waiting = []
        self._unreadable += 1
        try:
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    approval = approvals.get(call.id)
                    if approval is not None:
                        self._unreadable = 0
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
        await self._repository.park(self._turn, waiting)
        for approval in waiting:
            self._publisher.publish("approval.required", events.approval_required(approval))
        return False

    async def _approvals(self, calls: Sequence[ToolCall]) -> list[Approval]:
        """The decisions on those calls that need one, as far as they are taken."""
        tools = {tool.name for tool in self._services.toolbox.definitions if tool.requires_approval}
        needed = [call for call in calls if call.name in tools]
        if not needed:
            return []
        reply = self._reply_number
        approvals = await self._repository.approvals(self._turn)
        known = {approval.call_id: approval for approval in approvals if approval.step == reply}
        expires = datetime.now(UTC) + timedelta(seconds=self._settings.APPROVAL_TIMEOUT_SECONDS)
        return [
            known.get(call.id) or Approval(reply, call.id, call.name, call.arguments, expires, None, None)
            for call in needed
        ]

    async def _run_tool(self, call: ToolCall) -> None:
        turn = self._turn
        context = ToolContext(
            settings=self._settings,
            services=self._services,
            owner=turn.owner,
            session_id=turn.session_id,
            turn=turn.number,
            call_key=f"{turn.session_id}/{turn.number}/{self._reply_number}/{call.id}",
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
            step = tool_step(self._number + 1, result)
            await self._repository.commit_step(self._turn, step)
            self._number = step.number
            self._conversation.append(result)
            for event in events.end_of_step(step):
                self._publisher.publish(*event)


def _refusal(approval: Approval) -> ToolOutcome:
    if approval.approved is None:
        return ToolOutcome("Nobody approved the call in time.", failed=True)
    note = f": {approval.note}" if approval.note else "."
    return ToolOutcome(f"A person refused the call{note}", failed=True)
