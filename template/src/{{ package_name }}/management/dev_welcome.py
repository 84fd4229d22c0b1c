"""How to talk to the agent, as `dev` prints it once the web process is ready."""

from __future__ import annotations

import contextlib
import http.client
from threading import Event
from typing import Any

import typer

from ..config import Settings
from ..security.tokens import issue_token
from ..sockets import shown

OWNER = "dev"  # one of the users that `seed` adds
TOKEN_MINUTES = 60 * 24 * 7
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 - they are replaced here


def welcome(settings: Settings, address: tuple[Any, ...], over: Event) -> None:
    """Wait until the service is ready, unless it is over before, and print how to talk to it."""
    host, port = WILDCARDS.get(address[0], address[0]), address[1]
    while not (_is_ready(host, port) or over.is_set()):
        over.wait(0.1)
    if over.is_set():
        return
    token = issue_token(settings, OWNER, TOKEN_MINUTES)
    url = f"http://{shown(host, port)}"
    authorization = '-H "Authorization: Bearer $TOKEN"'
    typer.echo(
        f"""
{typer.style(f"{settings.APP_NAME} is ready: {url}", fg="green", bold=True)}
The API, to try out: {url}/docs. Talk to it from another terminal:

  export TOKEN={token}
  SESSION=$(curl -s -X POST {authorization} {url}/chat/sessions | cut -d'"' -f4)
  curl -N {authorization} -H "Accept: text/event-stream" -H "Content-Type: application/json" \\
    -d '{{"text": "What time is it in Asia/Tokyo?"}}' {url}/chat/sessions/$SESSION/messages

Ctrl-C stops everything.
"""
    )


def _is_ready(host: str, port: int) -> bool:
    # One connection waits while the web process starts: the port is open all the time.
    connection = http.client.HTTPConnection(host, port, timeout=60)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    return False
