"""`smoke`: talks to a service that was just released, as a user would, and tells whether it answers."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from ...config import Settings

SUBJECT = "smoke-test"
VALID_MINUTES = 10
ANSWER_SECONDS = 120.0
MESSAGE = "This is a test of the release. Answer with one word."


def smoke(
    url: Annotated[str, typer.Option(help="Where the web processes are reached, such as http://web:8000.")],
    turn: Annotated[bool, typer.Option(help="Send a message through the language model; that may cost money.")] = True,
) -> None:
    """Examine a running service from outside: version, readiness, and one conversation, which is then deleted."""
    from ...config import Settings, load
    from ..base import CommandFailed

    if urlsplit(url).scheme not in {"http", "https"}:
        raise CommandFailed(f"{url} is no address: begin with http:// or https://.")
    settings = load(Settings)
    with _credentials(settings) as credentials:
        _examine(_Service(url.rstrip("/"), credentials), settings.APP_VERSION, turn=turn)
    print(f"{url} answers: version {settings.APP_VERSION}.")


@contextmanager
def _credentials(settings: Settings) -> Iterator[str]:
    """A token; where tokens come from a provider, a key that ends with the test."""
    from ...security.tokens import Scope, issue_token
    from ..base import open_database, run
    from .key import end_key, make_key
    from .token import upsert

    async def make_user() -> None:
        async with open_database() as database:
            await upsert(database, SUBJECT, None)

    if not settings.JWKS_URL:
        run(make_user())
        yield issue_token(settings, SUBJECT, VALID_MINUTES)
        return
    expires_at = datetime.now(UTC) + timedelta(minutes=VALID_MINUTES)
    key_id, key = run(make_key(SUBJECT, "smoke", [Scope.USER], expires_at))
    try:
        yield key
    finally:
        run(end_key(key_id))


def _examine(service: _Service, expected: str, *, turn: bool) -> None:
    """Raises `CommandFailed` with what is not as it should be."""
    from ..base import CommandFailed

    if (version := service("GET", "/health")["version"]) != expected:
        raise CommandFailed(f"{service.url} runs version {version}, and this is {expected}.")
    service("GET", "/ready")
    session = "/chat/sessions/" + service("POST", "/chat/sessions", {})["session_id"]
    if turn:
        if not service("POST", f"{session}/messages", {"text": MESSAGE})["response"]:
            raise CommandFailed("The answer to a message was empty.")
        if len(service("GET", f"{session}/history")["history"]) != 1:
            raise CommandFailed("A conversation of one message has another history.")
    service("DELETE", session)


class _Service:
    """The API of a running service. Raises `CommandFailed` with what it answered instead."""

    def __init__(self, url: str, credentials: str) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {credentials}", "Content-Type": "application/json"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        from ..base import CommandFailed

        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self._headers, method=method)  # noqa: S310 - checked above
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as response:  # noqa: S310 - likewise
                text = response.read()
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            raise CommandFailed(f"{method} {path} answers {error.code}: {told}") from None
        except OSError as error:
            raise CommandFailed(f"{self.url} does not answer {method} {path}: {error}") from None
        return json.loads(text) if text else None
