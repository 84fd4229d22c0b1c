"""Turns as responses and items, made from the stored steps and approvals.

A turn is one response, unless it waits for a person. OpenAI's response ends at that point, and the next one, which
brings the decision, begins there. So the turn has one part for each wait, and one more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..chat.models import Approval, PastTurn, Status, Step, Turn, TurnErrorType, TurnKey
from ..constants import SLUG
from ..services.interfaces import ClientMessage
from . import objects
from .ids import USER_MESSAGE, ItemId, ResponseId, conversation_id

RATE_LIMITS: Final = {
    TurnErrorType.MODEL_RATE_LIMITED,
    TurnErrorType.TOKEN_LIMIT,
    TurnErrorType.COST_LIMIT,
    TurnErrorType.BUDGET_SPENT,
}
REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class Part:
    """The steps of a turn after the step `after`, up to the next wait.

    `granted` are the approvals at its beginning, `asked` those that it ends with. Another part follows unless it is the
    `last`.
    """

    turn: Turn
    after: int
    steps: Sequence[Step]
    calls: Step | None  # the response of the model whose calls the granted approvals are about
    granted: Sequence[Approval]
    asked: Sequence[Approval]
    last: bool
    whole: bool  # the turn has no other part

    @property
    def id(self) -> ResponseId:
        return ResponseId(self.turn.key, self.after)

    @property
    def status(self) -> str:
        """The status of the response."""
        if self.asked and (not self.last or self.turn.status is Status.WAITING):
            return "completed"
        match self.turn.status:
            case Status.QUEUED:
                return "queued"
            case Status.RUNNING | Status.WAITING:
                return "in_progress"
            case Status.SUCCEEDED:
                return "incomplete" if self.turn.finish_reason in REASONS else "completed"
            case status:
                return str(status)

    @property
    def has_ended(self) -> bool:
        return self.status not in ("queued", "in_progress")


def parts_of(turn: Turn, steps: Sequence[Step], approvals: Sequence[Approval]) -> list[Part]:
    """The parts of a turn, in order."""
    asked: dict[int, list[Approval]] = {}
    for approval in approvals:
        asked.setdefault(approval.step, []).append(approval)
    found: list[Part] = []
    after, granted, calls = 0, list[Approval](), None
    numbers = [step.number for step in steps]
    waits = sorted(number for number in asked if number in numbers)
    for number in waits:
        end = _end_of_wait(steps, number, asked[number])
        now = asked[number]
        is_decided = all(approval.approved is not None for approval in now)
        goes_on = turn.status in (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED) or numbers[-1] > end or is_decided
        own = [step for step in steps if after < step.number <= end]
        found.append(Part(turn, after, own, calls, granted, now, last=not goes_on, whole=False))
        if not goes_on:
            return _with_whole(found)
        after, granted, calls = end, now, next(step for step in steps if step.number == number)
    own = [step for step in steps if step.number > after]
    found.append(Part(turn, after, own, calls, granted, (), last=True, whole=False))
    return _with_whole(found)


def _with_whole(parts: list[Part]) -> list[Part]:
    if len(parts) > 1:
        return parts
    [only] = parts
    return [Part(only.turn, 0, only.steps, None, (), only.asked, last=only.last, whole=True)]


def _end_of_wait(steps: Sequence[Step], number: int, asked: Sequence[Approval]) -> int:
    """The last step before the wait for the calls of the step `number`: those that need no approval have run."""
    waiting = {approval.call_id for approval in asked}
    end = number
    for step in steps:
        if step.number > number:
            if step.kind != "tool" or step.content["call"]["id"] in waiting:
                break
            end = step.number
    return end


# Items


def call_id(turn: Turn, step: int, index: int) -> str:
    return str(ItemId("mcp", turn.key, step, index))


def request_id(turn: Turn, step: int, index: int) -> str:
    return str(ItemId("mcpr", turn.key, step, index))


def text_id(turn: Turn, step: int, attempt: int = 0) -> str:
    return str(ItemId("msg", turn.key, step, attempt))


def arguments_of(arguments: object) -> str:
    return json.dumps(arguments, ensure_ascii=False)


def message(id_: str, text: str, status: objects.ItemStatus = "completed") -> objects.Message:
    """A message of the agent."""
    return objects.Message(id=id_, status=status, role="assistant", content=[objects.OutputText(text=text)])


def finished_call(call: objects.McpCall, content: str, *, failed: bool) -> objects.McpCall:
    """The call with its result."""
    if failed:
        error = objects.ToolError(content=[{"type": "text", "text": content}])
        return call.model_copy(update={"status": "failed", "error": error})
    return call.model_copy(update={"status": "completed", "output": content})


def new_call(turn: Turn, step: int, index: int, name: str, arguments: object) -> objects.McpCall:
    return objects.McpCall(
        id=call_id(turn, step, index),
        status="in_progress",
        server_label=SLUG,
        name=name,
        arguments=arguments_of(arguments),
    )


def request_for(turn: Turn, step: int, index: int, name: str, arguments: object) -> objects.McpApprovalRequest:
    return objects.McpApprovalRequest(
        id=request_id(turn, step, index), server_label=SLUG, name=name, arguments=arguments_of(arguments)
    )


def granted_calls(part: Part) -> dict[str, objects.McpCall]:
    """The calls that a person decided on before the part, by the model's id of the call, in the model's order."""
    if part.calls is None:
        return {}
    decided = {approval.call_id for approval in part.granted}
    found = {}
    for index, call in enumerate(part.calls.content["tool_calls"]):
        if call["id"] in decided:
            item = new_call(part.turn, part.calls.number, index, call["name"], call["arguments"])
            request = request_id(part.turn, part.calls.number, index)
            found[call["id"]] = item.model_copy(update={"approval_request_id": request})
    return found


def output_of(part: Part) -> list[objects.Item]:
    """The items of a response, as far as they are stored."""
    items = list[objects.Item](granted_calls(part).values())
    unfinished = {id_: place for place, id_ in enumerate(granted_calls(part))}  # the calls' places, by the model's ids
    for step in part.steps:
        if step.kind == "model":
            _add_reply(items, unfinished, part, step)
        elif (place := unfinished.pop(step.content["call"]["id"], None)) is not None:
            call = items[place]
            assert isinstance(call, objects.McpCall)  # noqa: S101 - `unfinished` has the places of calls only
            items[place] = finished_call(call, step.content["content"], failed=step.content["failed"])
    if part.has_ended:
        for place in unfinished.values():
            items[place] = items[place].model_copy(update={"status": "incomplete"})
    return items


def _add_reply(items: list[objects.Item], unfinished: dict[str, int], part: Part, step: Step) -> None:
    turn, content = part.turn, step.content
    waiting = {approval.call_id for approval in part.asked if approval.step == step.number}
    if content["text"]:
        items.append(message(text_id(turn, step.number), content["text"]))
    for index, each in enumerate(content["tool_calls"]):
        described = (turn, step.number, index, each["name"], each["arguments"])
        if each["id"] in waiting:
            items.append(request_for(*described))
        else:
            unfinished[each["id"]] = len(items)
            items.append(new_call(*described))


def input_of(turn: Turn) -> Iterator[objects.Item]:
    """The messages of the client: those of the context, and the turn's own."""
    context = turn.request.context if turn.request else ()
    index = 0
    for each in context:
        for sent in _messages_of(each):
            if index < USER_MESSAGE:
                yield _sent(str(ItemId("msg", turn.key, 0, index)), sent)
            index += 1
    yield _sent(str(ItemId("msg", turn.key, 0, USER_MESSAGE)), ClientMessage("user", turn.message))


def added_items(upcoming: TurnKey, added: Sequence[ClientMessage]) -> Iterator[objects.Item]:
    """The messages that were added to a conversation since its last turn: the context of the upcoming one."""
    for index, each in enumerate(added[:USER_MESSAGE]):
        yield _sent(str(ItemId("msg", upcoming, 0, index)), each)


def _messages_of(context: ClientMessage | PastTurn) -> Iterator[ClientMessage]:
    if isinstance(context, ClientMessage):
        yield context
        return
    for each in context.context:
        yield from _messages_of(each)
    yield ClientMessage("user", context.message)
    if context.steps:
        yield ClientMessage("assistant", context.steps[-1].content.get("text") or "")


def _sent(id_: str, sent: ClientMessage) -> objects.Message:
    text = objects.OutputText if sent.role == "assistant" else objects.InputText
    return objects.Message(id=id_, role=sent.role, content=[text(text=sent.text)])


# Responses


def response_of(part: Part) -> objects.Response:
    """The current state of a response."""
    turn, status = part.turn, part.status
    request = turn.request
    stored = request is None or request.stored
    finished = turn.finished_at if status == "completed" and not part.asked else None
    return objects.Response.model_validate(
        {
            "id": str(part.id),
            "created_at": int(turn.created_at.timestamp()),
            "completed_at": int(finished.timestamp()) if finished else None,
            "status": status,
            "background": bool(request and request.background),
            "conversation": {"id": conversation_id(turn.session_id)} if stored else None,
            "error": _error_of(turn) if status == "failed" else None,
            "incomplete_details": {"reason": REASONS[turn.finish_reason or ""]} if status == "incomplete" else None,
            "instructions": request.instructions if request else None,
            "metadata": request.metadata if request else {},
            "model": SLUG,
            "output": output_of(part),
            "previous_response_id": request.previous if request and not part.after else None,
            "store": stored,
            "text": {"format": _format_of(turn)},
            "usage": _usage_of(part) if part.has_ended else None,
        }
    )


def _format_of(turn: Turn) -> dict[str, Any]:
    if turn.output_schema is None:
        return {"type": "text"}
    described = turn.request and turn.request.format
    return {"type": "json_schema", "name": "answer", **(described or {}), "schema": turn.output_schema}


def _error_of(turn: Turn) -> objects.ResponseError:
    assert turn.error is not None  # noqa: S101 - a failed turn has one
    code = "rate_limit_exceeded" if turn.error.type in RATE_LIMITS else "server_error"
    return objects.ResponseError(code=code, message=turn.error.detail)


def _usage_of(part: Part) -> objects.ResponseUsage:
    replies = [step.content for step in part.steps if step.kind == "model"]
    read = part.turn.input_tokens if part.whole else sum(reply["input_tokens"] for reply in replies)
    written = part.turn.output_tokens if part.whole else sum(reply["output_tokens"] for reply in replies)
    return objects.ResponseUsage(input_tokens=read, output_tokens=written, total_tokens=read + written)
