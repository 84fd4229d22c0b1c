"""The turns that clients of MCP begin and wait for, independent of the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID, uuid4, uuid5

from pydantic import BaseModel, ConfigDict, Field

from ..chat.errors import TurnEnded
from ..chat.models import Approval, Status, Turn, TurnKey
from ..chat.routes import PROBLEMS
from ..chat.service import SubmittedTurn
from ..problems import Problem, of_failure
from ..services.interfaces import Event, ServiceUnavailable, UniqueConflict

if TYPE_CHECKING:
    from ..chat.service import ChatService
    from ..config import Settings
    from ..security.tokens import Principal

    Report = Callable[[Event], Awaitable[None]]

SESSIONS_OF_KEYS: Final = UUID("5a0f4c1e-6d5b-4c53-9a2a-6f1f0f5d8f6b")  # the namespace of their ids (RFC 9562)


class PendingCall(BaseModel):
    """A tool call that waits for a person."""

    model_config = ConfigDict(from_attributes=True)

    call_id: str
    tool: str
    arguments: dict[str, object]


class Outcome(BaseModel):
    """What a client learns of a turn."""

    session_id: UUID = Field(description="Pass it to `ask` to continue the conversation.")
    turn: int = Field(description="The number of the turn in its session.")
    status: Literal["queued", "running", "waiting_for_approval", "succeeded", "failed", "cancelled"]
    response: str | None = Field(description="The answer, once the turn has succeeded.")
    pending: list[PendingCall] = Field(description="The tool calls that a person must approve or refuse.")


class ClientTurns:
    """The turns of one caller.

    `left` is the turn whose result the caller waits for: it is still set when the caller is gone.
    """

    def __init__(self, settings: Settings, chat: ChatService, principal: Principal) -> None:
        self._settings = settings
        self._chat = chat
        self._owner = principal.subject
        self._actor = principal.actor
        self.left: Turn | None = None

    async def ask(self, text: str, session_id: UUID | None, key: str | None, report: Report) -> Turn:
        """Store a message, and run its turn to its end or to an approval. Raises `Problem` and the chat's errors.

        Without a session a new one begins. Its id comes from the key, so that a repeated request finds it again.
        """
        limit = self._settings.MESSAGE_MAX_CHARACTERS
        if len(text) > limit:
            raise Problem(422, "message-too-long", f"The message is longer than {limit} characters.")
        if session_id is not None:
            return await self._finish(await self._send(session_id, text, key), report)
        session_id = uuid5(SESSIONS_OF_KEYS, f"{key}\n{self._owner}") if key else uuid4()
        try:
            await self._chat.sessions.create(self._owner, session_id)
        except UniqueConflict:
            return await self._finish(await self._send(session_id, text, key), report)
        try:
            sent = await self._send(session_id, text, key)
        except Exception:
            await self._chat.sessions.delete(self._owner, session_id)  # it would stay empty
            raise
        return await self._finish(sent, report)

    async def _send(self, session_id: UUID, text: str, key: str | None) -> SubmittedTurn:
        return await self._chat.send(self._owner, session_id, text, idempotency_key=key)

    async def get(self, key: TurnKey) -> Turn:
        """Raises `TurnNotFound`."""
        return await self._chat.turn(self._owner, key.session_id, key.number)

    async def wait(self, key: TurnKey, report: Report) -> Turn:
        """The turn once it has ended or waits for an approval. Raises `TurnNotFound`."""
        turn = await self.get(key)
        if turn.status.is_final:
            return turn
        async for event in self._chat.follow_to_pause(turn):
            await report(event)
        return await self.get(key)

    async def decide(self, turn: Turn, decisions: Sequence[tuple[str, bool, str | None]]) -> None:
        """Record what the caller's user said about pending calls. Raises `ApprovalNotPending`."""
        for call_id, approved, note in decisions:
            await self._chat.decide(turn, call_id, approved, note, actor=self._actor)

    async def _finish(self, sent: SubmittedTurn, report: Report) -> Turn:
        if sent.turn.status.is_final:
            return sent.turn
        self.left = sent.turn
        try:
            async for event in self._chat.stream(sent):
                await report(event)
        except Exception:
            self.left = None  # the turn goes on, and its result can be read later
            raise
        self.left = None
        return await self.get(sent.turn.key)

    async def approvals(self, turn: Turn) -> list[Approval]:
        """The calls that the turn waits for."""
        return await self._chat.turns.approvals(turn, pending=True) if turn.status is Status.WAITING else []

    async def outcome(self, turn: Turn) -> Outcome:
        """What the caller learns of the turn."""
        return Outcome(
            session_id=turn.session_id,
            turn=turn.number,
            status=turn.status.value,
            response=turn.response if turn.status is Status.SUCCEEDED else None,
            pending=[PendingCall.model_validate(each) for each in await self.approvals(turn)],
        )

    async def stop(self) -> None:
        """Cancel the turn whose caller is gone, if there is one."""
        turn, self.left = self.left, None
        if turn is not None:
            with suppress(TurnEnded, ServiceUnavailable):
                await self._chat.cancel(turn)


def problem_of(failure: Exception) -> Problem:
    """The problem that a caller learns of. One that is not expected is logged."""
    known = next((PROBLEMS[kind] for kind in type(failure).__mro__ if kind in PROBLEMS), None)
    return failure if isinstance(failure, Problem) else known(failure) if known else of_failure(failure)
