"""`smoke`: checks a new release from outside, as a user of the API would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from ..base import CommandFailed, in_transaction
from .owners import create_key, revoke, save_user

if TYPE_CHECKING:
    import httpx2

    from ...config import Settings

SUBJECT = "smoke-test"
VALID_MINUTES = 10
TIMEOUT_SECONDS = 120.0
MESSAGE = "This is a test of the release. Answer with one word."


def smoke(
    url: Annotated[str, typer.Option(help="The address of the web processes, such as http://web:8000.")],
    turn: Annotated[bool, typer.Option(help="Send a message to the language model; this may cost money.")] = True,
) -> None:
    """Check a running service from outside: version, readiness, and one conversation, which is then deleted."""
    import httpx2

    from ...config import Settings, load

    if urlsplit(url).scheme not in {"http", "https"}:
        raise CommandFailed(f"{url} is not an address: it must start with http:// or https://.")
    settings = load(Settings)
    with (
        _credentials(settings) as credentials,
        httpx2.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {credentials}"},
            timeout=TIMEOUT_SECONDS,
            follow_redirects=True,
        ) as http,
    ):
        _check(http, settings.APP_VERSION, turn=turn)
    print(f"{url} answers: version {settings.APP_VERSION}.")


@contextmanager
def _credentials(settings: Settings) -> Iterator[str]:
    """Yields a token; a temporary key where an OpenID provider issues the tokens."""
    from ...security.tokens import Scope, issue_token

    if not settings.JWKS_URL:
        in_transaction(lambda transaction: save_user(transaction, SUBJECT))
        yield issue_token(settings, SUBJECT, VALID_MINUTES)
        return
    expires_at = datetime.now(UTC) + timedelta(minutes=VALID_MINUTES)
    key_id, key = create_key(SUBJECT, "smoke", [str(Scope.USER)], expires_at)
    try:
        yield key
    finally:
        revoke(key_id)


def _check(http: httpx2.Client, expected: str, *, turn: bool) -> None:
    """Raises `CommandFailed` for the first check that fails."""
    if (version := _request(http, "GET", "/health")["version"]) != expected:
        raise CommandFailed(f"{http.base_url} runs version {version}, but this is {expected}.")
    _request(http, "GET", "/ready")
    session = "/chat/sessions/" + _request(http, "POST", "/chat/sessions", {})["session_id"]
    if turn:
        if not _request(http, "POST", f"{session}/messages", {"text": MESSAGE})["response"]:
            raise CommandFailed("The answer to a message was empty.")
        if len(_request(http, "GET", f"{session}/history")["history"]) != 1:
            raise CommandFailed("The history of a conversation with one message does not have one turn.")
    _request(http, "DELETE", session)


def _request(http: httpx2.Client, method: str, path: str, body: Any = None) -> Any:
    """Return the parsed answer. Raises `CommandFailed` with any other answer than a success."""
    import httpx2

    try:
        response = http.request(method, path, json=body)
    except httpx2.HTTPError as error:
        raise CommandFailed(f"{http.base_url} does not answer {method} {path}: {error}") from None
    if not response.is_success:
        raise CommandFailed(f"{method} {path} answers {response.status_code}: {response.text}")
    return response.json() if response.content else None
