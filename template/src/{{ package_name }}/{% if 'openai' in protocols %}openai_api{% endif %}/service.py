"""Responses, completions and conversations as turns and sessions of the chat."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from ..chat import events
from ..chat.conversation_store import Conversation, ConversationStore, NewSession
from ..chat.errors import SessionNotFound, TooManyFiles, TurnEnded, TurnNotFound
from ..chat.models import Approval, IdempotencyKey, Status, Turn, TurnFailed, TurnKey, TurnRequest, size_of
from ..chat.runner import latest
from ..chat.service import SubmittedTurn
from ..problems import Problem
from ..security.audit import Entry, record
from ..services.interfaces import ClientMessage, Event, ServiceUnavailable
from . import objects
from .attachments import Attachment
from .errors import invalid
from .ids import ResponseId, parse_conversation, parse_response
from .inputs import SYSTEM, CompletionIn, Input, ResponseIn, format_of_completion, format_of_response
from .outputs import Part, added_items, input_of, output_of, parts_of, request_id
from .streams import Content, Translator

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..chat.service import ChatService
    from ..config import Settings
    from ..security.tokens import Principal
    from ..services.container import ServiceContainer

WINDOW: Final = 50  # turns per query
UNSTORED_SECONDS: Final = 3600.0  # the life of a session that nobody can read: retries find its turn


class OpenAIService:
    """The operations of OpenAI's API for one caller."""

    def __init__(self, settings: Settings, services: ServiceContainer, chat: ChatService, principal: Principal) -> None:
        self._settings = settings
        self._database = services.database
        self._events = services.event_stream
        self.chat = chat
        self.conversations = ConversationStore(services.database)
        self.owner = principal.subject
        self.actor = principal.actor

    # Requests

    def split(self, given: Input, instructions: str | None, param: str) -> tuple[str, list[ClientMessage], str | None]:
        """The text of the last message, those before it that fit, and the instructions. Raises `Problem`."""
        if not given.messages or given.messages[-1].role != "user":
            raise invalid(param, "The last message must be one of the user.")
        *context, last = given.messages
        self.check_instructions(instructions, context, param)
        if not last.text.strip() and not given.files:
            raise invalid(param, "The last message must not be blank.")
        limit = self._settings.MESSAGE_MAX_CHARACTERS
        if len(last.text) > limit:
            raise invalid(param, f"The last message is longer than {limit} characters.", "string_above_max_length")
        return last.text, self._fitting(context), instructions

    def check_instructions(self, instructions: str | None, messages: Sequence[ClientMessage], param: str) -> None:
        """Raises `Problem` for more instructions than CLIENT_INSTRUCTIONS_MAX_LENGTH."""
        limit, own = self._settings.CLIENT_INSTRUCTIONS_MAX_LENGTH, len(instructions or "")
        if own > limit:
            raise invalid("instructions", f"The instructions may have {limit} characters.", "string_above_max_length")
        if own + sum(len(each.text) for each in messages if each.role == "system") > limit:
            names = " and ".join(SYSTEM)
            title = f"The messages with the roles {names} may have {limit} characters together."
            raise invalid(param, title, "string_above_max_length")

    def check_added(self, added: Sequence[ClientMessage]) -> None:
        """Raises `Problem` when the messages for the next turn are too long together."""
        self.check_instructions(None, added, "items")
        limit = self._settings.HISTORY_MAX_BYTES
        if size_of(added) > limit:
            raise invalid("items", f"The messages before a response may have {limit} bytes.", "string_above_max_length")

    def _fitting(self, context: Sequence[ClientMessage]) -> list[ClientMessage]:
        """The instructions in the context, and the latest of its other messages that fit into HISTORY_MAX_BYTES."""
        left, kept = self._settings.HISTORY_MAX_BYTES, list[ClientMessage]()
        for each in reversed(context):
            if each.role != "system":
                left -= len(each.text.encode())
            if left >= 0 or each.role == "system":
                kept.append(each)
        return [each for each in reversed(kept) if each.text.strip()]

    async def _store(self, given: Input) -> list[UUID]:
        """Store the files of the last message, and the latest of those before it that fit. Raises the chat's errors."""
        chosen: list[Attachment] = []
        left, last = self._settings.MESSAGE_MAX_FILE_BYTES, len(given.messages) - 1
        for file in reversed(given.files):
            fits = len(file.content) <= left and len(chosen) < self._settings.MESSAGE_MAX_FILES
            if fits or file.message == last:
                left -= len(file.content)
                chosen.append(file)
        if left < 0 or len(chosen) > self._settings.MESSAGE_MAX_FILES:
            raise TooManyFiles("The last message has too many files, or too large ones.")
        stored = []
        for file in reversed(chosen):
            uploaded = self.chat.files.upload(
                self.owner, file.name, file.declared, file.content, None, actor=self.actor
            )
            stored.append((await uploaded).file_id)
        return stored

    # Responses

    async def start(self, body: ResponseIn, given: Input, key: str | None) -> tuple[Part, SubmittedTurn]:
        """Store the message of a request as a turn, and start it. Raises `Problem` and the errors of the chat."""
        repeated = _key(key, "responses", body) if key else None
        if repeated and (first := await self.chat.turns.find_by_idempotency_key(self.owner, repeated)):
            return await self.first_part(first), SubmittedTurn(first)
        text, context, instructions = self.split(given, body.instructions, "input")
        answer = format_of_response(body.text)
        request = TurnRequest(
            instructions,
            list(context),
            body.metadata or {},
            background=bool(body.background),
            stored=body.store is not False,
            previous=body.previous_response_id,
            format=answer.described if answer else None,
        )
        session: UUID | NewSession = NewSession(lifetime_seconds=None if request.stored else UNSTORED_SECONDS)
        if body.conversation is not None:
            id_ = body.conversation if isinstance(body.conversation, str) else body.conversation.id
            session = (await self.conversation(id_)).session_id
        elif body.previous_response_id is not None:
            session, request = await self._continue(body.previous_response_id, request)
        sent = await self.chat.send_request(
            self.owner,
            session,
            text,
            request,
            queued=request.background,
            key=repeated,
            output_schema=answer.schema if answer else None,
            files=await self._store(given),
        )
        return await self.first_part(sent.turn), sent

    async def complete(self, body: CompletionIn, given: Input, key: str | None) -> SubmittedTurn:
        """Store the last message of a history as a turn, and start it. Raises `Problem` and the errors of the chat."""
        count = next((index for index, each in enumerate(given.messages) if each.role != "system"), 0)
        instructions = "\n\n".join(each.text for each in given.messages[:count])
        self.check_instructions(None, given.messages, "messages")
        text, context, _ = self.split(Input(given.messages[count:], given.files), None, "messages")
        repeated = _key(key, "completions", body) if key else None
        answer = format_of_completion(body.response_format)
        request = TurnRequest(instructions or None, list(context), body.metadata or {}, stored=False)
        session = NewSession(lifetime_seconds=UNSTORED_SECONDS)
        if repeated and (first := await self.chat.turns.find_by_idempotency_key(self.owner, repeated)):
            return SubmittedTurn(first)
        schema = answer.schema if answer else None
        files = await self._store(given)
        return await self.chat.send_request(
            self.owner, session, text, request, key=repeated, output_schema=schema, files=files
        )

    async def _continue(self, id_: str, request: TurnRequest) -> tuple[UUID | NewSession, TurnRequest]:
        """The session of a response; a new one with its history where that session went on without this request."""
        turn = (await self.part(id_, "previous_response_id")).turn
        if not await self.conversations.is_continued(turn):
            return turn.session_id, request
        end = replace(turn, number=turn.number + 1)
        past = await self.chat.turns.past_turns(end, self._settings.HISTORY_MAX_TURNS)
        history = latest(past, self._settings.HISTORY_MAX_BYTES)
        return NewSession(), replace(request, context=[*history, *request.context])

    async def decide(self, given: Input) -> Part:
        """Record a person's decisions on all calls that a turn waits for; returns the part that they start."""
        decisions = given.decisions
        if given.messages:
            raise invalid("input", "Send the answers to requests for approval alone, and the next message later.")
        keys = {decision.request.key for decision in decisions}
        if len(keys) > 1:
            raise invalid("input", "The answers must be about one response.")
        [key] = keys
        try:
            turn = await self.chat.turn(self.owner, key.session_id, key.number)
        except TurnNotFound:
            raise _no_response(str(ResponseId(key)), "input") from None
        part = (await self.parts(turn))[-1]
        waiting = {id_: approval for id_, approval in _requests(part).items() if approval.approved is None}
        answers = {str(decision.request): decision for decision in decisions}
        if missing := waiting.keys() - answers.keys():
            raise invalid("input", f"Each request for approval needs an answer: {', '.join(sorted(missing))}.")
        if unknown := answers.keys() - waiting.keys():
            title = f"The request is unknown, decided already, or expired: {', '.join(sorted(unknown))}."
            raise Problem(409, "no-decision-open", title, param="input")
        for id_, decision in answers.items():
            call = waiting[id_].call_id
            await self.chat.decide(turn, call, decision.approve, decision.reason, actor=self.actor)
        return (await self.parts(await self.chat.turn(self.owner, key.session_id, key.number)))[-1]

    async def part(self, id_: str, param: str | None = None) -> Part:
        """The stored response with an id. Raises `Problem`."""
        parsed = parse_response(id_)
        if parsed is not None:
            turn = await self._turn(parsed, param)
            for part in await self.parts(turn):
                if part.id == parsed:
                    return part
        raise _no_response(id_, param)

    async def _turn(self, id_: ResponseId, param: str | None) -> Turn:
        try:
            turn = await self.chat.turn(self.owner, id_.key.session_id, id_.key.number)
        except TurnNotFound:
            raise _no_response(str(id_), param) from None
        if turn.request is not None and not turn.request.stored:
            raise _no_response(str(id_), param)
        return turn

    async def parts(self, turn: Turn) -> list[Part]:
        steps = await self.chat.turns.steps(turn)
        calls = any(step.content.get("tool_calls") for step in steps)
        return parts_of(turn, steps, await self.chat.turns.approvals(turn) if calls else ())

    async def first_part(self, turn: Turn) -> Part:
        """The first response of a turn; a new one has no steps to read."""
        if turn.status in (Status.QUEUED, Status.RUNNING) and turn.fence <= 1:
            return parts_of(turn, (), ())[0]
        return (await self.parts(turn))[0]

    async def reload(self, part: Part) -> Part:
        """The part as it is now. Raises `SessionNotFound` when its turn was deleted."""
        turn = await self.chat.turns.get(self.owner, part.turn.session_id, part.turn.number)
        if turn is None:
            raise SessionNotFound
        return next(each for each in await self.parts(turn) if each.after == part.after)

    async def result(self, part: Part, sent: SubmittedTurn | None) -> Part:
        """The part once it has ended, or as it is when this process stops earlier.

        `sent` is its turn, unless that began before. Raises `TurnFailed`, and `SessionNotFound` when it is deleted.
        """
        if sent is not None:
            turn = await self.chat.result(sent)
            now = (await self.parts(turn))[0]
        else:
            async for _ in self.chat.follow_to_pause(part.turn):
                pass
            now = await self.reload(part)
        if now.status == "failed" and now.turn.error is not None:
            raise TurnFailed(now.turn.error)
        return now

    async def stream(
        self, part: Part, given: AsyncIterator[Event] | None = None, starting_after: int = -1
    ) -> AsyncIterator[Content]:
        """The events of a response: from `given`, those of its turn, or from wherever they are.

        A response that cannot be read later is cancelled when its client goes away.
        """
        translator = Translator(part, lambda _: False, starting_after)
        ended = False
        try:
            for content in translator.begin():
                yield content
            if part.has_ended:
                given = _stored(part)
            else:
                translator.is_gated = await self.chat.gate()
                given = given or self.chat.follow_to_pause(part.turn)
            async for event in given:
                for content in translator.translate(event):
                    yield content
            now = part if part.has_ended else await self.reload(part)
            ended = now.has_ended
            if ended:
                for content in translator.end(now):
                    yield content
        finally:
            if not ended and part.turn.request is not None and not part.turn.request.stored:
                await self.stop(part.turn)

    async def stop(self, turn: Turn) -> None:
        """Cancel a turn whose client is gone."""
        with suppress(TurnEnded, ServiceUnavailable):
            await self.chat.cancel(turn)

    async def cancel(self, part: Part) -> Part:
        """Cancel the turn of a response. One that has ended, or that another response continues, stays as it is."""
        if part.last:
            with suppress(TurnEnded):
                await self.chat.cancel(part.turn)
        return await self.reload(part)

    async def delete(self, part: Part) -> None:
        """Delete the turn of a response. Raises `Problem` while it runs."""
        turn = part.turn
        if not await self.conversations.delete_turn(turn):
            raise Problem(409, "response-in-progress", "The response has not ended. Cancel it first.")
        await record(self._database, Entry(self.actor, "delete.response", str(turn.key)))
        with suppress(ServiceUnavailable):  # the events expire after EVENTS_TTL_SECONDS
            await self._events.remove([turn.key.stream])

    # Conversations

    async def conversation(self, id_: str) -> Conversation:
        """Raises `Problem`."""
        session_id = parse_conversation(id_)
        if session_id is not None:
            with suppress(SessionNotFound):
                return await self.conversations.get(self.owner, session_id)
        raise Problem(404, "not-found", f"Conversation with id '{id_[:100]}' not found.")

    async def items(
        self, conversation: Conversation, start: int | None, *, ascending: bool
    ) -> AsyncIterator[objects.Item]:
        """The items of a conversation, from those of the turn `start` on, in ascending or descending order."""
        session_id, upcoming = conversation.session_id, conversation.turn_count + 1
        added = list(added_items(TurnKey(session_id, upcoming), conversation.added))
        first = start or (1 if ascending else upcoming)
        if not ascending:
            for item in reversed(added):
                yield item
        while 1 <= first < upcoming if ascending else first >= 1:
            after = first - 1 if ascending else max(0, first - WINDOW)
            turns = await self.chat.turns.history(self.owner, session_id, WINDOW, after)
            for turn in turns if ascending else [each for each in reversed(turns) if each.number <= first]:
                whole = await self._items_of(turn)
                for item in whole if ascending else reversed(whole):
                    yield item
            if ascending and not turns:
                break
            first = turns[-1].number + 1 if ascending else after
        if ascending:
            for item in added:
                yield item

    async def items_of(self, conversation: Conversation, number: int) -> list[objects.Item]:
        """The items of a turn, or those for the upcoming one."""
        turn = await self.chat.turns.get(self.owner, conversation.session_id, number)
        upcoming = TurnKey(conversation.session_id, conversation.turn_count + 1)
        return await self._items_of(turn) if turn else list(added_items(upcoming, conversation.added))

    async def _items_of(self, turn: Turn) -> list[objects.Item]:
        parts = await self.parts(turn)
        return [*input_of(turn), *(item for part in parts for item in output_of(part))]


def _key(key: str, kind: str, body: BaseModel) -> IdempotencyKey:
    return IdempotencyKey(key, hashlib.sha256(f"{kind} {body.model_dump_json()}".encode()).hexdigest())


def _requests(part: Part) -> dict[str, Approval]:
    """The approvals that a part ends with, by the ids of their items."""
    asked = {(each.step, each.call_id): each for each in part.asked}
    return {
        request_id(part.turn, step.number, index): asked[step.number, call["id"]]
        for step in part.steps
        if step.kind == "model"
        for index, call in enumerate(step.content["tool_calls"])
        if (step.number, call["id"]) in asked
    }


async def _stored(part: Part) -> AsyncIterator[Event]:
    for step in part.steps:
        for content in events.whole_step(step):
            yield Event(f"s{step.number}", *content)


def _no_response(id_: str, param: str | None) -> Problem:
    return Problem(404, "not-found", f"Response with id '{id_[:100]}' not found.", param=param)
