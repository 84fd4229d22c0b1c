"""The routes of responses: each is a turn, or the part of a turn between two waits for approvals."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response as HttpResponse

from . import objects
from .dependencies import EVENTS, RepeatKey, Service, answer, stream_of
from .errors import invalid, responses, unsupported
from .inputs import ResponseIn, check_model, read_input
from .outputs import Part, input_of, response_of
from .pages import ThePage
from .streams import FINAL

router = APIRouter(prefix="/responses")


async def _part(service: Service, response_id: Annotated[str, Path(description="The id of a response.")]) -> Part:
    return await service.part(response_id)


ThePart = Annotated[Part, Depends(_part)]


@router.post(
    "",
    response_model=objects.Response,
    response_description="The response, or a stream of its events.",
    responses={200: {"content": EVENTS}, **responses(400, 404, 409, 413, 415, 500, 502, 504)},
)
async def create_response(service: Service, body: ResponseIn, idempotency_key: RepeatKey = None) -> HttpResponse:
    """Send a message to the agent, or a person's decisions on calls that wait for approval.

    Without `previous_response_id` and `conversation`, the message begins a new conversation.
    """
    check(body)
    given = read_input(body.input)
    if given.decisions:
        part, sent = await service.decide(given), None
    else:
        part, sent = await service.start(body, given, idempotency_key)
    if body.stream:
        return stream_of(service.stream(part, service.chat.stream(sent) if sent and not part.has_ended else None))
    if not body.background:
        part = await service.result(part, sent)
    return answer(response_of(part))


@router.get(
    "/{response_id}",
    response_model=objects.Response,
    response_description="The current state of the response, or a stream of its events.",
    responses={200: {"content": EVENTS}, **responses(404)},
)
async def get_response(
    service: Service,
    part: ThePart,
    stream: Annotated[bool, Query(description="Whether to stream the events, from the first one.")] = False,
    starting_after: Annotated[
        int | None, Query(ge=0, le=FINAL, description="The `sequence_number` after which the stream continues.")
    ] = None,
) -> HttpResponse:
    """Return a response, or stream its events, whichever process runs it."""
    if not stream:
        if starting_after is not None:
            raise invalid("starting_after", "It needs stream=true.")
        return answer(response_of(part))
    return stream_of(service.stream(part, starting_after=-1 if starting_after is None else starting_after))


@router.post(
    "/{response_id}/cancel",
    response_model=objects.Response,
    response_description="The cancelled response, or one that had ended before.",
    responses=responses(404),
)
async def cancel_response(service: Service, part: ThePart) -> HttpResponse:
    """Cancel a response: stop the model and the tools."""
    return answer(response_of(await service.cancel(part)))


@router.delete(
    "/{response_id}",
    response_model=objects.DeletedResponse,
    response_description="The response is deleted.",
    responses=responses(404, 409),
)
async def delete_response(service: Service, part: ThePart) -> HttpResponse:
    """Delete a response that has ended, with the message that it answers."""
    await service.delete(part)
    return answer(objects.DeletedResponse(id=str(part.id)))


@router.get(
    "/{response_id}/input_items",
    response_model=objects.ItemList,
    response_description="A page of items.",
    responses=responses(404),
)
async def list_input_items(part: ThePart, page: ThePage) -> HttpResponse:
    """List the messages that a response answers."""
    return answer(page.of(list(input_of(part.turn))))


def check(body: ResponseIn) -> None:
    """Raises `Problem` for parameters that exclude each other."""
    check_model(body.model)
    goes_on = [name for name in ("conversation", "previous_response_id") if getattr(body, name) is not None]
    if len(goes_on) > 1:
        raise invalid("previous_response_id", "Send either previous_response_id or conversation.")
    if body.store is False and (goes_on or body.background):
        raise invalid("store", "A response in a conversation or in the background is always stored.")
    if body.stream_options is not None and body.stream_options.include_usage:
        raise unsupported("stream_options.include_usage")
