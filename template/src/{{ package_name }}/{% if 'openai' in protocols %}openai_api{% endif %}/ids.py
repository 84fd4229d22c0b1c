"""The ids of OpenAI's objects. Each names a session and, within it, a turn and a step: nothing has to be looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from ..chat.models import TurnKey

_ID: Final = re.compile(r"([a-z]+)_([0-9a-f]{32})(?:([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{2})?)?")
USER_MESSAGE: Final = 0xFF  # the index of the turn's own message; those before it in the context come first
MOST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ResponseId:
    """A response: the steps of a turn after the step `after`, which is 0 unless the turn waited for an approval."""

    key: TurnKey
    after: int = 0

    def __str__(self) -> str:
        return f"resp_{self.key.session_id.hex}{self.key.number:08x}{self.after:04x}"


@dataclass(frozen=True, slots=True)
class ItemId:
    """An item. Step 0 has the messages of the client, the others a response of the model each: its text and calls."""

    kind: str
    key: TurnKey
    step: int
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}_{self.key.session_id.hex}{self.key.number:08x}{self.step:04x}{self.index:02x}"


def conversation_id(session_id: UUID) -> str:
    return f"conv_{session_id.hex}"


def parse_conversation(text: str) -> UUID | None:
    """The session of a conversation's id, or `None`."""
    match = _ID.fullmatch(text)
    return UUID(match[2]) if match and match[1] == "conv" and match[3] is None else None


def parse_response(text: str) -> ResponseId | None:
    match = _ID.fullmatch(text)
    if match is None or match[1] != "resp" or match[3] is None or match[5] is not None:
        return None
    number = int(match[3], 16)
    return ResponseId(TurnKey(UUID(match[2]), number), int(match[4], 16)) if 1 <= number <= MOST else None


def parse_item(text: str) -> ItemId | None:
    match = _ID.fullmatch(text)
    if match is None or match[5] is None or not 1 <= int(match[3], 16) <= MOST:
        return None
    return ItemId(match[1], TurnKey(UUID(match[2]), int(match[3], 16)), int(match[4], 16), int(match[5], 16))
