"""The ids of AG-UI's messages, calls and interrupts. Each names a session, a turn and a step: nothing is looked up.

So a run that is repeated, at any replica, has the same ids, and a client recognizes what it has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from ..chat.models import TurnKey

_ID: Final = re.compile(r"(message|call|result|interrupt)-([0-9a-f]{32})-([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,9})")
_THREADS: Final = UUID("a4f1c6b2-6a0e-4a41-9d0c-0f8f5a2f7e35")


@dataclass(frozen=True, slots=True)
class Id:
    """A place in a turn. `index` counts the calls of the step, or the texts that a repeated step began."""

    kind: str
    key: TurnKey
    step: int
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{self.key.session_id.hex}-{self.key.number}-{self.step}-{self.index}"


def parse(text: str) -> Id | None:
    """The id that is written as `text`, or `None` when it is none of this service."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    kind, session, *numbers = match.groups()
    number, step, index = map(int, numbers)
    return Id(kind, TurnKey(UUID(session), number), step, index)


def session_of(owner: str, thread: str) -> UUID:
    """The session of a thread that a client began under an id of its own. No other owner can name it."""
    return uuid5(_THREADS, f"{owner}\n{thread}")
