"""Chat completions, for clients that send their whole history: each is a turn in a session of its own, soon deleted.

The protocol has no requests for approval. A turn whose call needs one is cancelled, and the client gets an error.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response as HttpResponse
from fastapi.sse import format_sse_event

from ..chat.models import Status, Turn, TurnFailed
from ..chat.streaming import event_stream
from ..constants import SLUG
from ..problems import Problem
from . import objects
from .dependencies import EVENTS, RepeatKey, Service, answer, problem_of
from .errors import error_of, responses
from .inputs import CompletionIn, check_model, read_input
from .outputs import Part
from .service import OpenAIService

router = APIRouter(prefix="/chat")

DONE: Final = b"data: [DONE]\n\n"
GAP: Final = "\n\n"  # between the texts before and after calls of tools


@router.post(
    "/completions",
    response_model=objects.Completion,
    response_description="The completion, or a stream of its chunks.",
    responses={200: {"content": EVENTS}, **responses(400, 409, 413, 415, 500, 502, 504)},
)
async def create_completion(service: Service, body: CompletionIn, idempotency_key: RepeatKey = None) -> HttpResponse:
    """Answer the last message of a history. Calls of tools run in the service and are not shown."""
    check_model(body.model)
    given = read_input(body.messages, "messages")
    sent = await service.complete(body, given, idempotency_key)
    part = await service.first_part(sent.turn)
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        events = service.stream(part, service.chat.stream(sent) if not part.has_ended else None)
        chunks = _chunks(service, part, events, with_usage=with_usage)
        return event_stream(chunks, _encoded_error)
    now = await service.result(part, sent)
    await _check_end(service, now)
    text = GAP.join(text for step in now.steps if step.kind == "model" and (text := step.content["text"]))
    choice = objects.Choice(message=objects.CompletionMessage(content=text), finish_reason=_reason(now.turn))
    created = int(now.turn.created_at.timestamp())
    usage = _usage(now.turn)
    return answer(objects.Completion(id=_id(now.turn), created=created, model=SLUG, choices=[choice], usage=usage))


async def _chunks(
    service: OpenAIService, part: Part, events: AsyncIterator[dict[str, Any]], *, with_usage: bool
) -> AsyncIterator[bytes]:
    turn = part.turn
    head = {
        "id": _id(turn),
        "object": "chat.completion.chunk",
        "created": int(turn.created_at.timestamp()),
        "model": SLUG,
    }
    empty = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _data({**head, "choices": [choice], **empty})

    yield chunk({"role": "assistant", "content": ""})
    said = gap = False
    async for event in events:
        if event["type"] == "response.output_item.added":
            gap = said
        elif event["type"] == "response.output_text.delta":
            yield chunk({"content": GAP + event["delta"] if gap else event["delta"]})
            said, gap = True, False
    now = await service.reload(part)
    await _check_end(service, now)
    yield chunk({}, _reason(now.turn))
    if with_usage:
        yield _data({**head, "choices": [], "usage": _usage(now.turn).model_dump()})
    yield DONE


async def _check_end(service: OpenAIService, part: Part) -> None:
    """Raises `Problem` and `TurnFailed` unless the turn has succeeded."""
    turn = part.turn
    if turn.error is not None:
        raise TurnFailed(turn.error)
    if turn.status is Status.SUCCEEDED:
        return
    if turn.status is Status.CANCELLED:
        raise Problem(409, "turn-cancelled", "The turn was cancelled.")
    await service.stop(turn)
    if turn.status is Status.WAITING:
        names = ", ".join(sorted({approval.tool for approval in part.asked}))
        title = f"A person must approve a call of {names}. Chat completions cannot ask for that: use /v1/responses."
        raise Problem(400, "approval-required", title)
    raise Problem(503, "service-unavailable", "The service is stopping. Try again.", headers={"Retry-After": "1"})


def _reason(turn: Turn) -> objects.FinishReason:
    return turn.finish_reason if turn.finish_reason in ("length", "content_filter") else "stop"  # type: ignore[return-value]


def _usage(turn: Turn) -> objects.CompletionUsage:
    return objects.CompletionUsage(
        prompt_tokens=turn.input_tokens,
        completion_tokens=turn.output_tokens,
        total_tokens=turn.input_tokens + turn.output_tokens,
    )


def _id(turn: Turn) -> str:
    return f"chatcmpl-{turn.session_id.hex}"


def _data(content: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps(content, ensure_ascii=False))


def _encoded_error(failure: Exception) -> bytes:
    return _data({"error": error_of(problem_of(failure).document).model_dump()})
