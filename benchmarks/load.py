"""A client that costs little beside the services it measures: prepared requests on kept connections."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from benchmarks.stack import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

CONNECTIONS = 16
TURNS_PER_SESSION = 4
MESSAGE = "What should I see in Lisbon in two days?"
HOST = "127.0.0.1"
LONGEST_SECONDS = 600
BUFFER_BYTES = 2**20
BODY_BYTES = 1000  # of an error, to show


T = TypeVar("T")


class UnexpectedAnswerError(BenchmarkError):
    """A service answered with another status than a success."""


def request(method: str, path: str, token: str = "", body: object = None, **headers: str) -> bytes:
    """Return the bytes of a request. Underscores in the names of headers become hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "host: bench"]
    lines += [f"authorization: Bearer {token}"] * bool(token)
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    content = b""
    if body is not None:
        content = json.dumps(body).encode()
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def head(reader: asyncio.StreamReader) -> bytes:
    """Read status and headers of a response. Raises `UnexpectedAnswerError` if it is no success."""
    found = await reader.readuntil(b"\r\n\r\n")
    if not found.startswith(b"HTTP/1.1 2"):
        status, _, _ = found.decode(errors="replace").partition("\r\n")
        body = (await reader.read(BODY_BYTES)).decode(errors="replace")
        raise UnexpectedAnswerError(f"a service answered {status}: {body}")
    return found


async def converse(port: int, requests: Sequence[bytes]) -> list[bytes]:
    """Send requests one after another on one connection, and return the bodies of the responses."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=BUFFER_BYTES)
    bodies = []
    try:
        for each in requests:
            writer.write(each)
            found = (await head(reader)).lower()
            _, _, rest = found.partition(b"content-length: ")
            bodies.append(await reader.readexactly(int(rest.partition(b"\r\n")[0])))
    finally:
        writer.close()
    return bodies


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine for at most LONGEST_SECONDS. Raises `BenchmarkError`."""
    try:
        return asyncio.run(asyncio.wait_for(work, LONGEST_SECONDS))
    except TimeoutError:
        raise BenchmarkError(f"the service did not answer all requests within {LONGEST_SECONDS} seconds") from None
    except (OSError, EOFError) as error:
        raise BenchmarkError(f"the service closed a connection: {error!r}") from None


async def at_once(port: int, plans: Sequence[Sequence[bytes]]) -> list[list[bytes]]:
    """Follow the plans at the same time, each on a connection of its own."""
    return await asyncio.gather(*(converse(port, plan) for plan in plans))


async def open_sessions(port: int, tokens: Sequence[str], count: int) -> list[list[str]]:
    """Create `count` sessions for each of CONNECTIONS owners, and return their ids."""
    create = [[request("POST", "/chat/sessions", token)] * count for token in owners(tokens)]
    return [[json.loads(body)["session_id"] for body in bodies] for bodies in await at_once(port, create)]


def own_sessions(count: int) -> list[list[str]]:
    """Return ids for the floors, which need no session to be created."""
    return [[str(uuid4()) for _ in range(count)] for _ in range(CONNECTIONS)]


def messages(sessions: Sequence[Sequence[str]], tokens: Sequence[str] = (), **headers: str) -> list[list[bytes]]:
    """Return a plan for each connection: TURNS_PER_SESSION messages to each of its sessions."""
    return [
        [
            request("POST", f"/chat/sessions/{session}/messages", token, {"text": MESSAGE}, **headers)
            for session in those
            for _ in range(TURNS_PER_SESSION)
        ]
        for those, token in zip(sessions, owners(tokens), strict=True)
    ]


def owners(tokens: Sequence[str]) -> list[str]:
    """Return a token for each connection."""
    return [tokens[number % len(tokens)] if tokens else "" for number in range(CONNECTIONS)]


class Stream:
    """An open response of server-sent events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int, asking: bytes) -> Stream:
        """Send a request and read the head of its response."""
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(asking)
        await head(reader)
        return cls(reader, writer)

    async def until(self, text: bytes) -> None:
        """Read until `text` has arrived."""
        await self._reader.readuntil(text)

    def close(self) -> None:
        self._writer.close()


async def seconds_to_first_token(port: int, token: str) -> float:
    """Create a session, send a message, and return the time until the first piece of text arrives."""
    created: Any = json.loads((await converse(port, [request("POST", "/chat/sessions", token)]))[0])
    path = f"/chat/sessions/{created['session_id']}/messages"
    asking = request("POST", path, token, {"text": MESSAGE}, accept="text/event-stream")
    began = time.perf_counter()
    stream = await Stream.open(port, asking)
    try:
        await stream.until(b"event: text.delta")
        return time.perf_counter() - began
    finally:
        stream.close()
