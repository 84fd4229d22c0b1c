"""Reads what clients send: the last message of the user, or a person's answers to interrupts.

The session has the conversation. Earlier messages, which clients repeat in each run, are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ag_ui.core import ResumeEntry, RunAgentInput, TextPart, UserMessage

from ..problems import Problem
from .ids import Id, parse

MAX_NOTE: Final = 2000
# The JSON Schema of an answer's payload.
ANSWER: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "reason": {"type": "string", "maxLength": MAX_NOTE}},
    "required": ["approved"],
    "additionalProperties": False,
}
UNSUPPORTED: Final = {
    "tools": "The agent's tools run in the service. Send no tools of the client.",
    "context": "The agent reads no context of the client. Write it into the message.",
    "state": "The agent shares no state with its clients. Send none.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A person's answer to an interrupt. One that was `cancelled` is a refusal that may come too late."""

    id: Id
    approved: bool
    reason: str | None
    cancelled: bool


def invalid(title: str) -> Problem:
    return Problem(400, "invalid-run", title)


def check(given: RunAgentInput) -> None:
    """Raises `Problem` for parts of the input that would have no effect."""
    for name, title in UNSUPPORTED.items():
        if getattr(given, name):
            raise Problem(400, "unsupported-input", title)
    if not given.thread_id or not given.run_id:
        raise invalid("threadId and runId must not be empty.")


def last_text(given: RunAgentInput) -> str | None:
    """The text of the user's last message, `None` without one. Raises `Problem` for content that is not text."""
    found = next((each for each in reversed(given.messages) if isinstance(each, UserMessage)), None)
    if found is None:
        return None
    parts = [TextPart(text=found.content)] if isinstance(found.content, str) else found.content
    texts = [part.text for part in parts if isinstance(part, TextPart)]
    if len(texts) < len(parts):
        raise Problem(400, "unsupported-input", "The agent reads texts only. Send no images or files.")
    return "\n".join(texts)


def check_text(text: str | None, limit: int) -> str:
    """Raises `Problem` for a text that cannot be a message."""
    if text is None or not text.strip():
        raise invalid("The last message must be a text of the user.")
    if "\0" in text:
        raise invalid("The last message must not hold a NUL character.")
    if len(text) > limit:
        raise Problem(422, "message-too-long", f"The message is longer than {limit} characters.")
    return text


def answers_of(entries: Sequence[ResumeEntry]) -> dict[Id, Answer]:
    """The answers by the interrupts of one wait. Raises `Problem`."""
    answers = {answer.id: answer for answer in map(_answer, entries)}
    if len(answers) < len(entries):
        raise invalid("An interrupt may have one answer only.")
    if len({(id_.key, id_.step) for id_ in answers}) > 1:
        raise invalid("The answers must be about the interrupts of one run.")
    return answers


def _answer(entry: ResumeEntry) -> Answer:
    id_ = parse(entry.interrupt_id)
    if id_ is None or id_.kind != "interrupt":
        raise invalid(f"There is no interrupt with the id '{entry.interrupt_id[:100]}'.")
    if entry.status == "cancelled":
        return Answer(id_, approved=False, reason=None, cancelled=True)
    payload = entry.payload if isinstance(entry.payload, dict) else {}
    approved, reason = payload.get("approved"), payload.get("reason")
    if not isinstance(approved, bool) or not payload.keys() <= ANSWER["properties"].keys():
        raise invalid('The payload of an answer is {"approved": true}, or {"approved": false, "reason": "…"}.')
    if reason is not None and (not isinstance(reason, str) or len(reason) > MAX_NOTE or "\0" in reason):
        raise invalid(f"The reason must be a text of at most {MAX_NOTE} characters, without NUL characters.")
    return Answer(id_, approved, reason, cancelled=False)
