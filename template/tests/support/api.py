"""A client of the API, for tests with real processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx2


class Api:
    """A client of one web process, for one owner."""

    def __init__(self, url: str, token: str) -> None:
        self.http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def create_session(self) -> str:
        response = self.http.post("/chat/sessions")
        assert response.status_code == httpx2.codes.CREATED, response.text
        session_id: str = response.json()["session_id"]
        return session_id

    def send(self, session_id: str, text: str, **headers: str) -> httpx2.Response:
        """POST a message; keyword arguments are headers, with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(f"/chat/sessions/{session_id}/messages", json={"text": text}, headers=named)

    def say(self, session_id: str, text: str) -> str:
        """Send a message; returns the agent's response."""
        response = self.send(session_id, text)
        assert response.status_code == httpx2.codes.OK, response.text
        answer: str = response.json()["response"]
        return answer

    def stream(self, session_id: str, text: str) -> Iterator[httpx2.ServerSentEvent]:
        """Send a message; yields the events of its turn as they arrive."""
        path = f"/chat/sessions/{session_id}/messages"
        with self.http.sse(path, method="POST", json={"text": text}) as events:
            yield from events

    def history(self, session_id: str) -> list[dict[str, Any]]:
        response = self.http.get(f"/chat/sessions/{session_id}/history")
        assert response.status_code == httpx2.codes.OK, response.text
        history: list[dict[str, Any]] = response.json()["history"]
        return history

    def wait_for_turn(self, location: str, seconds: float = 20) -> dict[str, Any]:
        """Poll the location of a turn until it has finished."""
        deadline = time.monotonic() + seconds
        while True:
            turn: dict[str, Any] = self.http.get(location).raise_for_status().json()
            if turn["finished_at"] is not None:
                return turn
            assert time.monotonic() < deadline, f"the turn has not finished in {seconds:g} seconds: {turn}"
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
