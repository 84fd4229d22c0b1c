"""A client of the chat API for `chat`: streams turns, and continues them after a lost connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from .base import CommandFailed

if TYPE_CHECKING:
    import httpx2

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 45.0  # the service sends a comment every 15 seconds
RECONNECT_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.5
PAGE: Final = 1000
SERVER_ERROR: Final = 500
FINAL: Final = {"succeeded", "failed", "cancelled"}

EventData = dict[str, Any]


class Refused(CommandFailed):
    """The service answered with an error. The message is a sentence for people."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class Unreachable(CommandFailed):
    """No connection to the service is possible."""


class ChatClient:
    """Speaks to one service, for the owner of a token. `on_lost` is called whenever a stream's connection is lost."""

    def __init__(self, url: str, token: str, on_lost: Callable[[], None], *, is_local: bool) -> None:
        import httpx2

        self.url = url
        self.on_lost = on_lost
        self._http = httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            follow_redirects=True,
            trust_env=not is_local,  # no proxy is between this machine and itself
        )

    def close(self) -> None:
        self._http.close()

    def create_session(self) -> str:
        return str(self.ask("POST", "/chat/sessions")["session_id"])

    def newest_session(self) -> str | None:
        found = self.ask("GET", "/chat/sessions?limit=1")["sessions"]
        return str(found[0]["session_id"]) if found else None

    def history(self, session: str) -> list[EventData]:
        """Return all turns of the session, the oldest first."""
        turns: list[EventData] = []
        while True:
            after = turns[-1]["turn"] if turns else 0
            page = self.ask("GET", f"/chat/sessions/{session}/history?limit={PAGE}&after={after}")["history"]
            turns += page
            if len(page) < PAGE:
                return turns

    def send(self, session: str, text: str) -> TurnStream:
        """Return the stream of a new turn. Nothing is sent before its events are read."""
        return TurnStream(self, session, text=text)

    def follow(self, session: str, number: int) -> TurnStream:
        """Return the stream of an existing turn, from its first event."""
        return TurnStream(self, session, number=number)

    def stream(self, method: str, path: str, **options: Any) -> Any:
        """Open a stream of events. It raises `Refused` on entry, and transport errors as they are."""
        return self._http.sse(path, method=method, **options)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the parsed answer. Raises `Unreachable` and `Refused`."""
        import httpx2

        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx2.TransportError as error:
            raise Unreachable(f"{self.url} does not answer: {error}.") from None
        check(response)
        try:
            return response.json()
        except ValueError:
            raise Unreachable(f"{self.url} is another service: its answer to {method} {path} is not JSON.") from None


class TurnStream:
    """The events of one turn, each once and in order, whatever happens to connections and processes meanwhile."""

    def __init__(self, client: ChatClient, session: str, *, text: str = "", number: int | None = None) -> None:
        self._client = client
        self._session = session
        self._text = text
        self._key = uuid4().hex  # repeating the request returns the same turn
        self._number = number
        self._last: str | None = None  # the id of the last event
        self._paused = self._finished = False

    @property
    def _path(self) -> str:
        return f"/chat/sessions/{self._session}/turns/{self._number}"

    def events(self) -> Iterator[tuple[str, EventData]]:
        """Yield the type and data of each event up to `turn.finished`.

        `approval.required` comes with the pending approval, and the stream continues when the caller has decided it.
        Raises `Refused`, and `Unreachable` when the service stays away for RECONNECT_SECONDS.
        """
        lost_at: float | None = None
        while True:
            known = self._last
            try:
                yield from self._connection()
                reason = "the stream ended early"
            except _Lost as lost:
                reason = str(lost)
            except Refused as error:
                if lost_at is None or error.status < SERVER_ERROR:
                    raise
                reason = str(error)
            if self._finished:
                return
            if self._paused:
                for approval in self.pending():
                    yield "approval.required", approval
                continue
            lost_at = time.monotonic() if lost_at is None or self._last != known else lost_at
            if time.monotonic() - lost_at > RECONNECT_SECONDS:
                raise Unreachable(f"{self._client.url} does not answer: {reason}. The message is stored.")
            self._client.on_lost()
            time.sleep(PAUSE_SECONDS)

    def _connection(self) -> Iterator[tuple[str, EventData]]:
        """Yield the events of one connection, until the turn waits for an approval. Raises `_Lost` and `Refused`."""
        import httpx2

        self._paused = False
        try:
            with self._open() as source:
                check(source.response, streamed=True)
                for event in source:
                    data = json.loads(event.data)
                    if event.event == "problem":
                        raise _Lost(data["title"])
                    self._last = event.id or self._last
                    if event.event == "turn.started":
                        self._number = data["turn"]
                    if event.event == "approval.required":
                        self._paused = True
                        return
                    self._finished = event.event == "turn.finished"
                    yield event.event, data
        except httpx2.TransportError as error:
            raise _Lost(str(error)) from None

    def _open(self) -> Any:
        if self._number is None:
            path = f"/chat/sessions/{self._session}/messages"
            headers = {"Idempotency-Key": self._key}
            return self._client.stream("POST", path, json={"text": self._text}, headers=headers)
        headers = {"Last-Event-ID": self._last} if self._last else {}
        return self._client.stream("GET", f"{self._path}/events", headers=headers)

    def pending(self) -> list[EventData]:
        """Return the approvals that nobody has decided."""
        approvals = self._client.ask("GET", f"{self._path}/approvals")["approvals"]
        return [approval for approval in approvals if approval["approved"] is None]

    def decide(self, call_id: str, *, approved: bool, note: str | None) -> bool:
        """Decide an approval; return whether it was still open."""
        try:
            self._client.ask("POST", f"{self._path}/approvals/{call_id}", {"approved": approved, "note": note})
        except Refused as error:
            if error.kind != "no-decision-open":
                raise
            return False
        return True

    def cancel(self) -> bool:
        """Cancel the turn; return False if it has already ended."""
        if self._number is None:  # the service may have the message: the same key finds the turn
            headers = {"Idempotency-Key": self._key, "Prefer": "respond-async"}
            path = f"/chat/sessions/{self._session}/messages"
            self._number = int(self._client.ask("POST", path, {"text": self._text}, **headers)["turn"])
        try:
            self._client.ask("POST", f"{self._path}/cancel")
        except Refused as error:
            if error.kind != "turn-ended":
                raise
            return False
        return True


class _Lost(Exception):
    """The service ended the stream, although the turn may continue."""


def check(response: httpx2.Response, *, streamed: bool = False) -> None:
    """Raises `Refused` unless the response is a success."""
    if response.is_success:
        return
    if streamed:
        response.read()
    try:
        document = response.json()
        document["title"]
    except (ValueError, KeyError, TypeError):
        document = {"title": f"The service answers {response.status_code} {response.reason_phrase}."}
    kind = str(document.get("type", "")).removeprefix("urn:problem:")
    retry_after = response.headers.get("Retry-After", "")
    message = explained(kind, document["title"], document.get("detail"), document.get("resets"), retry_after)
    raise Refused(response.status_code, kind, message)


def explained(kind: str, title: str, detail: str | None, resets: str | None, retry_after: str = "") -> str:
    """Return an error as sentences: what is wrong, and what to do."""
    if kind == "unauthenticated":
        return "The service does not accept the token: it is expired, revoked, or from another service (401)."
    sentences = [title, detail or ""]
    if resets == "next-turn":
        sentences.append("The next message has its own budget.")
    elif resets:
        sentences.append(f"It starts again at {datetime.fromisoformat(resets).astimezone():%Y-%m-%d %H:%M}.")
    elif retry_after.isdecimal():
        sentences.append(f"Try again in {retry_after} s.")
    return " ".join(each if each.endswith((".", "!", "?")) else f"{each}." for each in sentences if each)
