"""Asks the user of a client for approvals (elicitation), where its revision of the protocol keeps no state for that.

The request for input names the turn, and each question its call. The next request has the answers.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from mcp import types
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from ..chat.models import Approval, TurnKey
from ..problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mcp.server.context import ServerRequestContext

    from ..chat.models import Turn

Decision = tuple[str, bool, str | None]  # the id of a call, whether it may run, and the reason

NOTE_LENGTH: Final = 2000  # of a reason in the API
QUESTION: Final = {
    "type": "object",
    "required": ["approved"],
    "properties": {
        "approved": {"type": "boolean", "title": "Approve", "description": "Whether the call may run."},
        "note": {"type": "string", "title": "Reason", "maxLength": NOTE_LENGTH},
    },
}


def can_ask(context: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client can show a form to its user, and return the answers in a request of their own."""
    capabilities = context.session.client_capabilities
    asks = capabilities.elicitation if capabilities else None
    is_form = asks is not None and (asks.form is not None or asks.url is None)
    return is_form and context.protocol_version in MODERN_PROTOCOL_VERSIONS


def questions(turn: Turn, pending: Sequence[Approval]) -> types.InputRequiredResult:
    """One question for each call that the turn waits for."""
    return types.InputRequiredResult(
        input_requests={_key(each): types.ElicitRequest(params=_question(each)) for each in pending},
        request_state=str(turn.key),
    )


def _question(approval: Approval) -> types.ElicitRequestFormParams:
    call = f"{approval.tool} {json.dumps(approval.arguments, ensure_ascii=False)}"
    return types.ElicitRequestFormParams(message=f"The agent wants to call {call}", requested_schema=QUESTION)


def turn_of(state: str) -> TurnKey:
    """The turn that a request for input named. Raises `Problem`."""
    session_id, _, number = state.partition("/")
    try:
        return TurnKey(UUID(session_id), int(number))
    except ValueError:
        raise Problem(422, None, "The requestState is not one of this service.") from None


def decisions(pending: Sequence[Approval], answers: Mapping[str, types.InputResponse]) -> list[Decision]:
    """What the user decided about the calls that still wait."""
    decided: list[Decision] = []
    for approval in pending:
        answer = answers.get(_key(approval))
        if isinstance(answer, types.ElicitResult) and answer.action != "cancel":
            content = (answer.action == "accept" and answer.content) or {}
            note = str(content.get("note") or "").replace("\0", "")[:NOTE_LENGTH]
            decided.append((approval.call_id, content.get("approved") is True, note or None))
    return decided


def _key(approval: Approval) -> str:
    """Calls of two responses may share an id, so the step belongs to the key."""
    return f"{approval.step}:{approval.call_id}"
