"""The chat over HTTP. One turn is had in three ways: whole, streamed (Accept), or queued (Prefer, RFC 7240)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from ..problems import RETRY_SECONDS, Problem, of_failure, responses
from ..security.authentication import Owner, UserPrincipal
from ..services.interfaces import Event
from .budgets import BudgetSpent
from .models import Status, Turn
from .schemas import (
    Approvals,
    ApprovalView,
    DecisionIn,
    History,
    MessageIn,
    SessionCreated,
    SessionPage,
    SessionView,
    TurnError,
    TurnView,
    Usage,
)
from .service import ApprovalNotPending, ChatService, IdempotencyKeyReused
from .session_store import SessionNotFound, TurnInProgress

KEEPALIVE_SECONDS = 15.0
EVENT_ID = r"^([0-9]{1,18}-[0-9]{1,18}|s[0-9]{1,18}(-[0-9]{1,18})?)$"

# The status of the problem document that answers for a failed turn, by the kind of its error.
STATUS_OF_ERROR = {
    "model_rate_limited": (503, "The language model is overloaded."),
    "model_timeout": (504, "The language model did not answer in time."),
    "model_unavailable": (502, "The language model is unavailable."),
    "model_invalid_response": (502, "The language model's answer could not be read."),
    "model_rejected": (502, "The language model refused the request."),
    "turn_timeout": (504, "The turn took too long."),
    "step_limit": (422, "The turn reached the limit of steps."),
    "token_limit": (429, "The turn's budget of tokens is spent."),
    "cost_limit": (429, "The turn's budget of costs is spent."),
    "budget_spent": (429, "The budget of the day is spent."),
    "process_lost": (500, "The processes that ran the turn ended, one after the other."),
    "internal": (500, "An internal error ended the turn."),
}


class EventStreamResponse(StreamingResponse):
    media_type = "text/event-stream"


# What one event is (`itemSchema` of OpenAPI 3.2); `data` is JSON, as docs/api.md describes it.
EVENTS: dict[str, Any] = {
    "itemSchema": {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string"},
            "id": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
    }
}


router = APIRouter(prefix="/chat/sessions", tags=["chat"], responses=responses(401, 403, 429, 503))


def _chat(request: Request) -> ChatService:
    chat: ChatService = request.app.state.chat
    return chat


Chat = Annotated[ChatService, Depends(_chat)]


def _root_path(request: Request) -> str:
    root_path: str = request.scope.get("root_path", "")
    return root_path


RootPath = Annotated[str, Depends(_root_path)]
SessionId = Annotated[UUID, Path(description="The id of a session of the caller.")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The turn's number in its session, from 1.")]
LastEventId = Annotated[
    str | None, Header(pattern=EVENT_ID, description="The id of the last event seen: the stream goes on after it.")
]


@router.post("", status_code=201, response_description="The new session. `Location` is its history.")
async def create_session(owner: Owner, chat: Chat, root_path: RootPath, response: Response) -> SessionCreated:
    """Begin a conversation."""
    session = await chat.repository.create_session(owner)
    response.headers["Location"] = f"{root_path}{router.prefix}/{session.id}/history"
    return SessionCreated(session_id=session.id)


@router.get("", response_description="A page of sessions.", responses=responses(422))
async def list_sessions(
    owner: Owner,
    chat: Chat,
    limit: Annotated[int, Query(ge=1, le=100, description="The most sessions of a page.")] = 20,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
) -> SessionPage:
    """The owner's sessions, the newest first."""
    found = await chat.repository.list_sessions(owner, limit + 1, _from_cursor(cursor) if cursor else None)
    page = found[:limit]
    return SessionPage(
        sessions=[
            SessionView(
                session_id=session.id,
                turn_count=session.turn_count,
                created_at=session.created_at,
                updated_at=session.updated_at,
            )
            for session in page
        ],
        next_cursor=_to_cursor(page[-1].created_at, page[-1].id) if len(found) > limit else None,
    )


@router.delete(
    "/{session_id}", status_code=204, response_description="The session is gone.", responses=responses(404, 422)
)
async def delete_session(principal: UserPrincipal, chat: Chat, session_id: SessionId) -> None:
    """Delete the session with all that was said in it."""
    try:
        await chat.delete(principal.subject, session_id, actor=principal.actor)
    except SessionNotFound:
        raise _no_session() from None


@router.post(
    "/{session_id}/messages",
    response_model=TurnView,
    responses={
        200: {
            "description": "The turn, once it has ended; as a stream of its events where `Accept` asks for that.",
            "content": {"text/event-stream": EVENTS},
        },
        202: {"model": TurnView, "description": "Queued, or waiting for an approval; `Location` is the turn."},
        **responses(400, 404, 409, 413, 415, 422, 500, 502, 504),
    },
)
async def send_message(
    request: Request,
    owner: Owner,
    chat: Chat,
    root_path: RootPath,
    session_id: SessionId,
    message: MessageIn,
    accept: Annotated[str, Header(description="text/event-stream for the turn as it happens.")] = "*/*",
    prefer: Annotated[str, Header(description="respond-async to have the turn queued (RFC 7240).")] = "",
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=200, description="The same message under the same key is sent once, in 24 h."),
    ] = None,
) -> Response:
    """Say something to the agent.

    The message is stored before the model is asked. Should anything then go wrong, the turn is still there to be read.
    """
    limit = request.app.state.settings.MESSAGE_MAX_CHARACTERS
    if len(message.text) > limit:
        raise Problem(422, "message-too-long", f"The message is longer than {limit} characters.")
    queued = "respond-async" in prefer.lower()
    try:
        sent = await chat.send(owner, session_id, message.text, queued=queued, idempotency_key=idempotency_key)
    except SessionNotFound:
        raise _no_session() from None
    except TurnInProgress:
        title = "The session is busy with another turn."
        raise Problem(409, "turn-in-progress", title, "Wait until it has ended, or cancel it.") from None
    except BudgetSpent as error:
        headers = {"Retry-After": str(math.ceil(error.retry_after))}
        title = "The budget of the day is spent."
        raise Problem(429, "budget-spent", title, str(error), headers=headers, resets=error.resets) from None
    except IdempotencyKeyReused:
        title = "The Idempotency-Key came before, with another request."
        raise Problem(422, "idempotency-key-reused", title, "Use a new key for a new request.") from None
    if queued:
        headers = {"Location": _address(root_path, sent.turn), "Preference-Applied": "respond-async"}
        return _json(202, sent.turn, headers)
    if "text/event-stream" in accept.lower():
        return _sse(chat.stream(sent))
    try:
        return _answer(root_path, await chat.result(sent))
    except SessionNotFound:
        raise _no_session() from None


@router.get("/{session_id}/history", response_description="The turns of the session.", responses=responses(404, 422))
async def get_history(
    owner: Owner,
    chat: Chat,
    session_id: SessionId,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only turns with a higher number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="The most turns returned.")] = 1000,
) -> History:
    """The session's turns, the oldest first: one entry a turn."""
    turns = await chat.repository.history(owner, session_id, limit, after)
    if turns is None:
        raise _no_session()
    return History(history=[_view(turn) for turn in turns])


@router.get(
    "/{session_id}/turns/{number}", response_description="The turn as it is now.", responses=responses(404, 422)
)
async def get_turn(owner: Owner, chat: Chat, session_id: SessionId, number: Number) -> TurnView:
    """One turn: its message, its status, and its response or error once it has ended."""
    return _view(await _turn(chat, owner, session_id, number))


@router.get(
    "/{session_id}/turns/{number}/events",
    response_class=Response,  # that of the stream would be described as one text
    responses={
        200: {"description": "The events of the turn, up to its end.", "content": {"text/event-stream": EVENTS}},
        **responses(404, 422),
    },
)
async def get_events(
    owner: Owner, chat: Chat, session_id: SessionId, number: Number, last_event_id: LastEventId = None
) -> EventStreamResponse:
    """The turn as it happens, on whichever process; a reader that lost the connection goes on where it was."""
    return _sse(chat.follow(await _turn(chat, owner, session_id, number), last_event_id))


@router.post(
    "/{session_id}/turns/{number}/cancel",
    response_description="The turn, which is cancelled.",
    responses=responses(404, 409, 422),
)
async def cancel_turn(owner: Owner, chat: Chat, session_id: SessionId, number: Number) -> TurnView:
    """End the turn: the model and the tools are stopped."""
    cancelled = await chat.cancel(await _turn(chat, owner, session_id, number))
    if cancelled is None:
        raise Problem(409, "turn-ended", "The turn has ended already.")
    return _view(cancelled)


@router.get(
    "/{session_id}/turns/{number}/approvals",
    response_description="The calls in the order in which the model made them.",
    responses=responses(404, 422),
)
async def list_approvals(owner: Owner, chat: Chat, session_id: SessionId, number: Number) -> Approvals:
    """The tool calls of the turn that need a person's approval, decided or not."""
    approvals = await chat.repository.approvals(await _turn(chat, owner, session_id, number))
    return Approvals(
        approvals=[
            ApprovalView(
                call_id=approval.call_id,
                name=approval.tool,
                arguments=approval.arguments,
                expires_at=approval.expires_at,
                approved=approval.approved,
            )
            for approval in approvals
        ]
    )


@router.post(
    "/{session_id}/turns/{number}/approvals/{call_id}",
    status_code=202,
    response_description="The decision is stored. `Location` is the turn.",
    responses=responses(400, 404, 409, 413, 415, 422),
)
async def decide_approval(
    principal: UserPrincipal,
    chat: Chat,
    root_path: RootPath,
    session_id: SessionId,
    number: Number,
    call_id: Annotated[str, Path(pattern=r"^[^\x00]+$", description="The id of the call, as the approvals list it.")],
    decision: DecisionIn,
    response: Response,
) -> TurnView:
    """Approve or refuse a tool call. The turn goes on once every call that waits is decided."""
    turn = await _turn(chat, principal.subject, session_id, number)
    try:
        await chat.decide(turn, call_id, decision.approved, decision.note, actor=principal.actor)
    except ApprovalNotPending:
        title = "The call is unknown, decided already, or expired, or its turn has ended."
        raise Problem(409, "no-decision-open", title) from None
    response.headers["Location"] = _address(root_path, turn)
    return _view(turn)


async def _turn(chat: ChatService, owner: str, session_id: SessionId, number: int) -> Turn:
    turn = await chat.repository.get_turn(owner, session_id, number)
    if turn is None:
        raise Problem(404, "turn-not-found", "There is no such turn.")
    return turn


def _no_session() -> Problem:
    return Problem(404, "session-not-found", "There is no such session.")


def _address(root_path: str, turn: Turn) -> str:
    return f"{root_path}{router.prefix}/{turn.session_id}/turns/{turn.number}"


def _view(turn: Turn) -> TurnView:
    return TurnView(
        session_id=turn.session_id,
        turn=turn.number,
        status=turn.status,
        message=turn.message,
        response=turn.response,
        error=TurnError(**turn.error) if turn.error else None,
        model=turn.model,
        finish_reason=turn.finish_reason,
        usage=Usage(input_tokens=turn.input_tokens, output_tokens=turn.output_tokens, estimated=turn.usage_estimated),
        created_at=turn.created_at,
        finished_at=turn.finished_at,
    )


def _json(status: int, turn: Turn, headers: dict[str, str] | None = None) -> Response:
    return Response(_view(turn).model_dump_json(), status, headers, "application/json")


def _answer(root_path: str, turn: Turn) -> Response:
    """The response to a message, by what became of its turn."""
    if turn.status is Status.SUCCEEDED:
        return _json(200, turn)
    if turn.status is Status.FAILED:
        error = turn.error or {}
        status, title = STATUS_OF_ERROR[error["type"]]
        retry_after = error["retry_after"]
        headers = {"Retry-After": str(math.ceil(retry_after))} if retry_after is not None else {}
        kind = error["type"].replace("_", "-")
        resets = {"resets": error["resets"]} if error.get("resets") else {}
        instance = _address(root_path, turn)
        raise Problem(status, kind, title, error["detail"], instance=instance, headers=headers, **resets)
    if turn.status is Status.CANCELLED:
        raise Problem(409, "turn-cancelled", "The turn was cancelled.", instance=_address(root_path, turn))
    return _json(202, turn, {"Location": _address(root_path, turn)})


def _sse(events: AsyncIterator[Event]) -> EventStreamResponse:
    return EventStreamResponse(_with_keepalive(events), headers={"X-Accel-Buffering": "no"})


async def _with_keepalive(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """The events on the wire, and a comment in each silence, so that no proxy cuts the connection.

    A failure ends the stream with the event `problem`: its status was sent long before.
    """
    upcoming: asyncio.Task[Any] = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=KEEPALIVE_SECONDS)
            if not done:
                yield KEEPALIVE_COMMENT
                continue
            try:
                event = upcoming.result()
            except Exception as error:  # noqa: BLE001 - whatever it is, the client is to know that the stream is broken
                document = json.dumps(of_failure(error).document)
                yield format_sse_event(data_str=document, event="problem", retry=RETRY_SECONDS * 1000)
                return
            if event is None:
                return
            data = json.dumps(event.data, ensure_ascii=False)
            yield format_sse_event(data_str=data, event=event.type, id=event.id)
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()


def _to_cursor(at: datetime, session_id: UUID) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {session_id}".encode()).decode()


def _from_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, _, session_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return datetime.fromisoformat(at), UUID(session_id)
    except (ValueError, binascii.Error):
        raise Problem(422, "invalid-cursor", "The cursor is not one that a page gave.") from None
