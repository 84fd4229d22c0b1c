"""Runs as turns of the chat: a run begins a turn, or continues one that waited for a person's answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from ag_ui.core import (
    PROTOCOL_VERSION,
    BaseEvent,
    Interrupt,
    RunErrorEvent,
    RunFinishedCancelledOutcome,
    RunFinishedEvent,
    RunFinishedInterruptOutcome,
    RunFinishedOutcome,
    RunFinishedSuccessOutcome,
    RunStartedEvent,
    TokenUsage,
    UserMessage,
)

from ..chat import events
from ..chat.errors import IdempotencyKeyReused, SessionNotFound
from ..chat.models import Approval, IdempotencyKey, Status, Step, Turn, TurnFailed
from ..chat.routes import PROBLEMS
from ..chat.service import SubmittedTurn
from ..problems import Problem
from ..services.interfaces import Event, UniqueConflict
from .ids import Id, session_of
from .inputs import ANSWER, Answer, answers_of, check, check_text, invalid, last_text
from .streams import Translator

if TYPE_CHECKING:
    from ag_ui.core import RunAgentInput

    from ..chat.service import ChatService
    from ..config import Settings
    from ..security.tokens import Principal


@dataclass(frozen=True, slots=True)
class Wait:
    """A response of the model with calls that wait, or waited, for a person; `end` is the last step before that."""

    step: Step
    asked: Sequence[Approval]
    end: int

    def ids(self, turn: Turn, kind: str) -> dict[str, Id]:
        """The ids of its calls by those of the provider."""
        calls = [call["id"] for call in self.step.content["tool_calls"]]
        return {call: Id(kind, turn.key, self.step.number, index) for index, call in enumerate(calls)}

    def interrupts(self, turn: Turn) -> list[Interrupt]:
        interrupts, calls = self.ids(turn, "interrupt"), self.ids(turn, "call")
        return [
            Interrupt(
                id=str(interrupts[each.call_id]),
                reason="tool_call",
                message=f"May the agent call {each.tool}?",
                tool_call_id=str(calls[each.call_id]),
                response_schema=ANSWER,
                expires_at=each.expires_at.isoformat(),
            )
            for each in self.asked
        ]


@dataclass(frozen=True, slots=True)
class Run:
    """The part of a turn that a run shows: the steps after the wait `after`, up to the next one."""

    given: RunAgentInput
    sent: SubmittedTurn
    after: Wait | None = None

    @property
    def turn(self) -> Turn:
        return self.sent.turn


class AgUiService:
    """The runs of one caller."""

    def __init__(self, settings: Settings, chat: ChatService, principal: Principal) -> None:
        self._settings = settings
        self._chat = chat
        self._owner = principal.subject
        self._actor = principal.actor

    async def start(self, given: RunAgentInput) -> Run:
        """Begin the turn of a run, or find it again. Raises `Problem` and the errors of the chat."""
        check(given)
        session = await self._session(given.thread_id)
        if given.resume:
            return await self._resume(given, session, answers_of(given.resume))
        text = check_text(last_text(given), self._settings.MESSAGE_MAX_CHARACTERS)
        digest = hashlib.sha256(f"{given.thread_id}\n{given.run_id}".encode()).hexdigest()
        key = f"ag-ui-{digest}"
        # Only a client that repeats a run may already have messages after that of the user.
        if not isinstance(given.messages[-1], UserMessage) and not await self._is_known(key):
            raise invalid("The last message must be a text of the user.")
        try:
            sent = await self._chat.send(self._owner, session, text, idempotency_key=key)
        except SessionNotFound:
            with suppress(UniqueConflict):  # another run may have begun the thread in the meantime
                await self._chat.sessions.create(self._owner, session)
            sent = await self._chat.send(self._owner, session, text, idempotency_key=key)
        return Run(given, sent)

    async def _is_known(self, key: str) -> bool:
        try:
            return await self._chat.turns.find_by_idempotency_key(self._owner, IdempotencyKey(key, "")) is not None
        except IdempotencyKeyReused:  # the digest of a message is never empty
            return True

    async def stream(self, run: Run) -> AsyncIterator[BaseEvent]:
        """The events of a run, from its first one."""
        turn, given = run.turn, run.given
        ids = {"thread_id": given.thread_id, "run_id": given.run_id}
        names = {"session_id": str(turn.session_id), "turn": turn.number}
        parent = given.parent_run_id
        yield RunStartedEvent(**ids, parent_run_id=parent, protocol_version=PROTOCOL_VERSION, metadata=names)
        after, calls = 0, dict[str, str]()
        if run.after is not None:
            after, waited = run.after.end, {each.call_id for each in run.after.asked}
            calls = {call: str(id_) for call, id_ in run.after.ids(turn, "call").items() if call in waited}
        translator = Translator(turn.key, given.messages, after, calls)
        for content in translator.begin():
            yield content
        async with aclosing(self._events(run, after)) as of_turn:
            async for event in of_turn:
                for content in translator.translate(event):
                    yield content
                if translator.paused:
                    break
        for content in translator.end():
            yield content
        yield await self._last(run, ids)

    async def _events(self, run: Run, after: int) -> AsyncGenerator[Event]:
        """The events of the turn; those of its stored steps where the run has ended with a wait."""
        if run.sent.running is None and (wait := await self._next_wait(run)) is not None:
            for step in await self._chat.turns.steps(run.turn, after):
                if step.number <= wait.end:
                    for content in events.whole_step(step):
                        yield Event(f"s{step.number}", *content)
            return
        async for event in self._chat.stream(run.sent):
            yield event

    async def _last(self, run: Run, ids: dict[str, str]) -> BaseEvent:
        """The event that ends the run, from the stored state of its turn."""
        if (wait := await self._next_wait(run)) is not None:
            outcome = RunFinishedInterruptOutcome(interrupts=wait.interrupts(run.turn))
            return RunFinishedEvent(**ids, outcome=outcome)
        turn = await self._chat.turn(self._owner, run.turn.session_id, run.turn.number)
        used = TokenUsage(model=turn.model, input_tokens=turn.input_tokens, output_tokens=turn.output_tokens)
        if turn.error is not None:
            return error_of(PROBLEMS[TurnFailed](TurnFailed(turn.error)), [used])
        if not turn.status.is_final:
            problem = Problem(503, "stopping", "The process stops. Repeat the run with its runId: the turn goes on.")
            return error_of(problem)
        succeeded = turn.status is Status.SUCCEEDED
        ended: RunFinishedOutcome = RunFinishedSuccessOutcome() if succeeded else RunFinishedCancelledOutcome()
        return RunFinishedEvent(**ids, outcome=ended, usage=[used])

    # Sessions and waits

    async def _session(self, thread: str) -> UUID:
        """The session with the id `thread`, or the one of a thread that the client named itself."""
        with suppress(ValueError):
            session = UUID(thread)
            if await self._chat.sessions.exists(self._owner, session):
                return session
        return session_of(self._owner, thread)

    async def _waits(self, turn: Turn) -> list[Wait]:
        approvals = await self._chat.turns.approvals(turn)
        if not approvals:
            return []
        steps = await self._chat.turns.steps(turn)
        asked: dict[int, list[Approval]] = {}
        for approval in approvals:
            asked.setdefault(approval.step, []).append(approval)
        found = {step.number: step for step in steps}
        return [Wait(found[step], each, _end_of(step, each, steps)) for step, each in sorted(asked.items())]

    async def _next_wait(self, run: Run) -> Wait | None:
        """The wait that ends the run, if it has come to one."""
        after = run.after.step.number if run.after is not None else 0
        return next((wait for wait in await self._waits(run.turn) if wait.step.number > after), None)

    async def _resume(self, given: RunAgentInput, session: UUID, answers: dict[Id, Answer]) -> Run:
        """Record the answers to all interrupts of a wait. Repeating them changes nothing. Raises `Problem`."""
        first = next(iter(answers))
        turn = None
        if first.key.session_id == session:
            turn = await self._chat.turns.get(self._owner, session, first.key.number)
        waits = await self._waits(turn) if turn is not None else []
        wait = next((each for each in waits if each.step.number == first.step), None)
        if turn is None or wait is None:
            raise invalid("The thread has no such interrupt.")
        if given.messages and (text := last_text(given)) is not None and text != turn.message:
            raise invalid("Send the answers to interrupts first, and the next message in another run.")
        ids = wait.ids(turn, "interrupt")
        approvals = {ids[each.call_id]: each for each in wait.asked}
        if approvals.keys() != answers.keys():
            named = ", ".join(sorted(map(str, approvals)))
            raise invalid(f"Each of these interrupts needs an answer, and no other one: {named}.")
        # Calls of two replies may share an id: only those of this wait are meant.
        found = await self._chat.turns.approvals(turn, pending=True)
        pending = {ids[each.call_id] for each in found if each.step == first.step}
        late = [id_ for id_ in answers.keys() - pending if not _is_recorded(answers[id_], approvals[id_])]
        if late:
            title = "The interrupt was answered differently, or is no longer open."
            named = ", ".join(sorted(map(str, late)))
            raise Problem(409, "no-decision-open", title, f"It is about {named}. Cancel it to go on.")
        for id_, answer in answers.items():
            if id_ in pending:
                call = approvals[id_].call_id
                await self._chat.decide(turn, call, answer.approved, answer.reason, actor=self._actor)
        turn = await self._chat.turn(self._owner, session, turn.number)
        return Run(given, SubmittedTurn(turn), wait)


def error_of(problem: Problem, used: list[TokenUsage] | None = None) -> RunErrorEvent:
    """A problem as the event that ends a run."""
    document = problem.document
    message = " ".join(filter(None, (document["title"], document.get("detail"))))
    return RunErrorEvent(message=message, code=document["type"].removeprefix("urn:problem:"), usage=used)


def _is_recorded(answer: Answer, approval: Approval) -> bool:
    """Whether the answer is that of the approval; to cancel one that is refused or expired changes nothing."""
    return approval.approved is answer.approved or (answer.cancelled and not approval.approved)


def _end_of(number: int, asked: Sequence[Approval], steps: Sequence[Step]) -> int:
    """The last step before the wait for the calls of the step `number`: those that need no approval have run."""
    waiting = {approval.call_id for approval in asked}
    end = number
    for step in steps:
        if step.number > number:
            if step.kind != "tool" or step.content["call"]["id"] in waiting:
                break
            end = step.number
    return end
