"""Reports the events of a turn as notifications of progress: pieces of the text, calls of tools, approvals."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from ..chat.events import APPROVAL_REQUIRED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..services.interfaces import Event

    Notify = Callable[[float, float | None, str | None], Awaitable[None]]

EVERY_SECONDS: Final = 0.1  # between two pieces of text: more would flood the client


class Progress:
    """Sends notifications whose number increases by one, as the protocol requires."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._count = 0
        self._text = ""
        self._due = 0.0

    async def report(self, event: Event) -> None:
        if event.type == "text.delta":
            self._text += event.data["text"]
            if time.monotonic() < self._due:
                return
        await self._flush()
        if event.type == "tool.called":
            arguments = json.dumps(event.data["arguments"], ensure_ascii=False)
            await self._send(f"Calls {event.data['name']} {arguments}")
        elif event.type == "tool.returned":
            await self._send(f"{event.data['name']} {'failed' if event.data['failed'] else 'returned'}")
        elif event.type == APPROVAL_REQUIRED:
            await self._send(f"{event.data['name']} waits for an approval")

    async def _flush(self) -> None:
        text, self._text = self._text, ""
        if text:
            self._due = time.monotonic() + EVERY_SECONDS
            await self._send(text)

    async def _send(self, message: str) -> None:
        self._count += 1
        await self._notify(self._count, None, message)
