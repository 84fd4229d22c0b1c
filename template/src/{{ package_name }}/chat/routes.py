"""The chat and its budgets over HTTP. A turn is returned whole, streamed (Accept), or queued (Prefer, RFC 7240)."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event

from ..problems import RETRY_SECONDS, Problem, of_failure, responses
from ..security.audit import Entry, record
from ..security.authentication import AdminPrincipal, Authenticated, Owner, UserPrincipal
from ..services.interfaces import Event
from .budgets import find_spending, set_budget
from .dependencies import Chat
from .errors import (
    ApprovalNotPending,
    FileInUse,
    FileNotFound,
    FileRefused,
    IdempotencyKeyReused,
    SessionNotFound,
    TooManyFiles,
    TurnEnded,
    TurnInProgress,
    TurnNotFound,
)
from .event_models import STEP_EVENT, STREAM, History, TurnInHistory
from .models import (
    Approvals,
    ApprovalView,
    BudgetIn,
    DecisionIn,
    MessageIn,
    SessionCreated,
    SessionPage,
    SessionView,
    Spending,
    Status,
    Turn,
    TurnError,
    TurnErrorType,
    TurnFailed,
    TurnView,
)
from .streaming import event_stream

EVENT_ID = r"^([0-9]{1,18}-[0-9]{1,18}|s[0-9]{1,18}(-[0-9]{1,18})?)$"

# The status and title of the problem document for a failed turn.
PROBLEM_OF_ERROR = {
    TurnErrorType.MODEL_RATE_LIMITED: (503, "The language model is overloaded."),
    TurnErrorType.MODEL_TIMEOUT: (504, "The language model did not answer in time."),
    TurnErrorType.MODEL_UNAVAILABLE: (502, "The language model is unavailable."),
    TurnErrorType.MODEL_INVALID_RESPONSE: (502, "The language model's answer could not be read."),
    TurnErrorType.MODEL_REJECTED: (502, "The language model refused the request."),
    TurnErrorType.TURN_TIMEOUT: (504, "The turn took too long."),
    TurnErrorType.STEP_LIMIT: (422, "The turn reached the limit of steps."),
    TurnErrorType.TOKEN_LIMIT: (429, "The turn's budget of tokens is spent."),
    TurnErrorType.COST_LIMIT: (429, "The turn's budget of costs is spent."),
    TurnErrorType.BUDGET_SPENT: (429, "The budget of the day is spent."),
    TurnErrorType.PROCESS_LOST: (500, "The processes that ran the turn ended, one after the other."),
    TurnErrorType.OUTPUT_INVALID: (502, "The language model's answer does not fit the schema."),
    TurnErrorType.INTERNAL: (500, "An internal error ended the turn."),
}


def _problem_of(error: TurnError, instance: str | None = None) -> Problem:
    status, title = PROBLEM_OF_ERROR[error.type]
    headers = {"Retry-After": str(math.ceil(error.retry_after))} if error.retry_after is not None else {}
    resets = {"resets": error.resets} if error.resets else {}
    return Problem(
        status, error.type.replace("_", "-"), title, error.detail, instance=instance, headers=headers, **resets
    )


# The answers to the exceptions of the service.
PROBLEMS: dict[type[Exception], Callable[[Any], Problem]] = {
    SessionNotFound: lambda _: Problem(404, "session-not-found", "There is no such session."),
    TurnNotFound: lambda _: Problem(404, "turn-not-found", "There is no such turn."),
    TurnEnded: lambda _: Problem(409, "turn-ended", "The turn has already ended."),
    TurnInProgress: lambda _: Problem(
        409,
        "turn-in-progress",
        "The session is busy with another turn.",
        "Wait until it has ended, or cancel it.",
    ),
    IdempotencyKeyReused: lambda _: Problem(
        422,
        "idempotency-key-reused",
        "The Idempotency-Key was used for another request.",
        "Use a new key for a new request.",
    ),
    ApprovalNotPending: lambda _: Problem(
        409, "no-decision-open", "The call is unknown, decided already, or expired, or its turn has ended."
    ),
    FileNotFound: lambda _: Problem(
        404, "file-not-found", "There is no such file.", "Upload it, and send it with one message."
    ),
    FileInUse: lambda _: Problem(409, "file-in-use", "A message has the file.", "Delete its session to delete it."),
    FileRefused: lambda refused: Problem(
        415, "unsupported-media-type", "The content of the file is not accepted.", str(refused)
    ),
    TooManyFiles: lambda reached: Problem(422, "too-many-files", "A limit of files is reached.", str(reached)),
    TurnFailed: lambda failed: _problem_of(failed.error),
}

router = APIRouter(
    prefix="/chat/sessions", tags=["chat"], dependencies=[Authenticated], responses=responses(401, 403, 429, 503)
)
turns = APIRouter(prefix="/{session_id}/turns/{number}", responses=responses(404, 422))
admin = APIRouter(prefix="/admin/budgets/{owner}", tags=["admin"], responses=responses(401, 403, 422, 429, 503))


SessionId = Annotated[UUID, Path(description="The id of a session of the caller.")]
OwnerPath = Annotated[
    str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$", description="The `sub` of the owner's tokens.")
]
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The turn's number in its session, from 1.")]


async def _turn(owner: Owner, chat: Chat, session_id: SessionId, number: Number) -> Turn:
    return await chat.turn(owner, session_id, number)


TheTurn = Annotated[Turn, Depends(_turn)]
LastEventId = Annotated[
    str | None, Header(pattern=EVENT_ID, description="The id of the last event seen: the stream continues after it.")
]


@router.post(
    "",
    status_code=201,
    response_model=SessionCreated,
    response_description="The new session. `Location` is its history.",
)
async def create_session(owner: Owner, chat: Chat, request: Request, response: Response) -> SessionView:
    """Start a conversation."""
    session = await chat.sessions.create(owner)
    response.headers["Location"] = _address(request, f"{session.session_id}/history")
    return session


@router.get("", response_description="A page of sessions.", responses=responses(422))
async def list_sessions(
    owner: Owner,
    chat: Chat,
    limit: Annotated[int, Query(ge=1, le=100, description="The maximum number of sessions.")] = 20,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the previous page.")] = None,
) -> SessionPage:
    """List the owner's sessions, the newest first."""
    found = await chat.sessions.page(owner, limit + 1, _from_cursor(cursor) if cursor else None)
    page = found[:limit]
    return SessionPage(sessions=page, next_cursor=_to_cursor(page[-1]) if len(found) > limit else None)


@router.delete(
    "/{session_id}", status_code=204, response_description="The session is deleted.", responses=responses(404, 422)
)
async def delete_session(principal: UserPrincipal, chat: Chat, session_id: SessionId) -> None:
    """Delete the session and its turns."""
    await chat.delete_session(principal.subject, session_id, actor=principal.actor)


@router.post(
    "/{session_id}/messages",
    response_model=TurnView,
    responses={
        200: {
            "description": "The turn once it has ended, or a stream of its events where `Accept` asks for that.",
            "content": {"text/event-stream": STREAM},
        },
        202: {"model": TurnView, "description": "Queued, or waiting for an approval; `Location` is the turn."},
        **responses(400, 404, 409, 413, 415, 422, 500, 502, 504),
    },
)
async def send_message(
    request: Request,
    owner: Owner,
    chat: Chat,
    session_id: SessionId,
    message: MessageIn,
    accept: Annotated[str, Header(description="text/event-stream to stream the turn.")] = "*/*",
    prefer: Annotated[str, Header(description="respond-async to queue the turn (RFC 7240).")] = "",
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=200, description="Repeating a request under its key within 24 h is safe."),
    ] = None,
) -> Response:
    """Send a message to the agent.

    The message is stored before the model is called, so its turn can be read even after an error.
    """
    limit = request.app.state.settings.MESSAGE_MAX_CHARACTERS
    if len(message.text) > limit:
        raise Problem(422, "message-too-long", f"The message is longer than {limit} characters.")
    queued = "respond-async" in prefer.lower()
    sent = await chat.send(
        owner,
        session_id,
        message.text,
        files=[part.file_id for part in message.parts],
        queued=queued,
        idempotency_key=idempotency_key,
        output_schema=message.output_schema,
    )
    if queued:
        headers = {"Location": _turn_address(request, sent.turn), "Preference-Applied": "respond-async"}
        return _json(202, sent.turn, headers)
    if "text/event-stream" in accept.lower():
        return _sse(chat.stream(sent))
    turn = await chat.result(sent)
    address = _turn_address(request, turn)
    if turn.error is not None:
        raise _problem_of(turn.error, address)
    if turn.status is Status.CANCELLED:
        raise Problem(409, "turn-cancelled", "The turn was cancelled.", instance=address)
    return _json(200, turn) if turn.status is Status.SUCCEEDED else _json(202, turn, {"Location": address})


@router.get(
    "/{session_id}/history",
    response_description="The turns of the session.",
    response_model_exclude_unset=True,
    responses=responses(404, 422),
)
async def get_history(
    owner: Owner,
    chat: Chat,
    session_id: SessionId,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="Only turns with a higher number.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="The maximum number of turns.")] = 1000,
    steps: Annotated[bool, Query(description="Whether to add the events of the stored steps.")] = False,
) -> History:
    """List the session's turns, the oldest first."""
    turns = await chat.history(owner, session_id, limit, after)
    history = [TurnInHistory.model_validate(turn) for turn in turns]
    if steps:
        events = await chat.events_of_steps(turns)
        for turn in history:
            of_turn = events.get(turn.turn, [])
            turn.steps = [STEP_EVENT.validate_python({"event": event, "data": data}) for event, data in of_turn]
    return History(history=history)


@turns.get("", response_description="The current state of the turn.")
async def get_turn(turn: TheTurn) -> TurnView:
    """Return a turn: its message and status, and its response or error once it has ended."""
    return TurnView.model_validate(turn)


@turns.get(
    "/events",
    response_class=Response,  # EventSourceResponse would be described without `itemSchema`
    response_description="The events of the turn, up to its end.",
    responses={200: {"content": {"text/event-stream": STREAM}}},
)
async def get_events(turn: TheTurn, chat: Chat, last_event_id: LastEventId = None) -> EventSourceResponse:
    """Stream the turn's events, whichever process runs it; a reader that reconnects continues where it stopped."""
    return _sse(chat.follow(turn, last_event_id))


@turns.post("/cancel", response_description="The cancelled turn.", responses=responses(409))
async def cancel_turn(turn: TheTurn, chat: Chat) -> TurnView:
    """Cancel the turn: stop the model and the tools."""
    return TurnView.model_validate(await chat.cancel(turn))


@turns.get("/approvals", response_description="The calls in the order in which the model made them.")
async def list_approvals(turn: TheTurn, chat: Chat) -> Approvals:
    """List the turn's tool calls that need a person's approval, decided or not."""
    return Approvals(approvals=[ApprovalView.model_validate(approval) for approval in await chat.turns.approvals(turn)])


@turns.post(
    "/approvals/{call_id}",
    status_code=202,
    response_description="The decision is stored. `Location` is the turn.",
    responses=responses(400, 409, 413, 415),
)
async def decide_approval(
    principal: UserPrincipal,
    chat: Chat,
    session_id: SessionId,
    number: Number,
    call_id: Annotated[str, Path(pattern=r"^[^\x00]+$", description="The id of a call in the list of approvals.")],
    decision: DecisionIn,
    request: Request,
    response: Response,
) -> TurnView:
    """Approve or refuse a tool call. The turn continues once every pending call is decided."""
    turn = await chat.turn(principal.subject, session_id, number)
    await chat.decide(turn, call_id, decision.approved, decision.note, actor=principal.actor)
    response.headers["Location"] = _turn_address(request, turn)
    return TurnView.model_validate(turn)


router.include_router(turns)


@admin.get("", response_description="The usage of today and the budgets.")
async def get_budget(_: AdminPrincipal, request: Request, owner: OwnerPath) -> Spending:
    """Return what an owner has used today, and their budgets."""
    state = request.app.state
    return await find_spending(state.services.database, state.settings, owner)


@admin.put("", response_description="The usage of today and the new budgets.", responses=responses(400, 413, 415))
async def put_budget(principal: AdminPrincipal, request: Request, owner: OwnerPath, budget: BudgetIn) -> Spending:
    """Set the budgets of an owner."""
    state = request.app.state
    async with state.services.database.transaction() as transaction:
        await set_budget(transaction, owner, budget.tokens_per_day, budget.usd_per_day)
        await record(transaction, Entry(principal.actor, "change.budget", owner, detail=budget.model_dump()))
    return await find_spending(state.services.database, state.settings, owner)


def _address(request: Request, path: str) -> str:
    return f"{request.scope.get('root_path', '')}{router.prefix}/{path}"


def _turn_address(request: Request, turn: Turn) -> str:
    return _address(request, f"{turn.session_id}/turns/{turn.number}")


def _json(status: int, turn: Turn, headers: dict[str, str] | None = None) -> Response:
    return Response(TurnView.model_validate(turn).model_dump_json(), status, headers, "application/json")


def _sse(events: AsyncIterator[Event]) -> EventSourceResponse:
    return event_stream(_encoded(events), _encoded_problem)


async def _encoded(events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    async for event in events:
        data = json.dumps(event.data, ensure_ascii=False)
        yield format_sse_event(data_str=data, event=event.type, id=event.id)


def _encoded_problem(error: Exception) -> bytes:
    document = json.dumps(of_failure(error).document)
    return format_sse_event(data_str=document, event="problem", retry=RETRY_SECONDS * 1000)


def _to_cursor(session: SessionView) -> str:
    return base64.urlsafe_b64encode(f"{session.created_at.isoformat()} {session.session_id}".encode()).decode()


def _from_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, _, session_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        return datetime.fromisoformat(at), UUID(session_id)
    except (ValueError, binascii.Error):
        raise Problem(422, "invalid-cursor", "The cursor is not one that a page returned.") from None
