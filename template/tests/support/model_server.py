"""A fake provider that speaks the provider's protocol over HTTP, so that tests use the real SDK.

It answers lines `call <tool> {json}` with calls of those tools, tool results with the results, and any other message by
repeating it. `faults` replace the answers of the next requests, in order.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

Event = dict[str, Any]
Fault = Callable[[asyncio.StreamWriter, list[bytes]], Awaitable[None]]


@dataclass(frozen=True)
class Entry:
    """Part of a conversation in any protocol: `kind` is user, assistant, call or result."""

    kind: str
    text: str


@dataclass(frozen=True)
class Call:
    id: str
    tool: str
    arguments: str


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Wire(Protocol):
    """The format of requests and streamed responses of one provider."""

    model: str
    thinking_model: str
    path: str
    base_path: str

    def instructions(self, body: dict[str, Any]) -> str: ...

    def conversation(self, body: dict[str, Any]) -> list[Entry]: ...

    def text(self, pieces: list[str], *, finish: str = ..., thought: str = ...) -> list[Event]:
        """A text response, after a `thought`; `finish` is stop, length or content_filter."""
        ...

    def calls(self, calls: list[Call]) -> list[Event]: ...

    def whole(self, text: str, call: Call | None = None) -> Event:
        """An unstreamed response."""
        ...

    def error(self, code: str, message: str) -> Event: ...


class ModelServer:
    """An asynchronous context manager that serves on a free port of this machine."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.requests: list[Request] = []
        self.faults: deque[Fault] = deque()
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self.wire.base_path}"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            self.requests.append(request)
            conversation = self.wire.conversation(request.body)
            frames = [frame(event) for event in self._answer(conversation)]
            fault = self.faults.popleft() if self.faults else whole
            if _open_calls(conversation):  # as providers do
                fault = status(400, self.wire.error("invalid_request_error", "A call has no result."))
            await fault(writer, frames)
        except ConnectionError:
            pass  # the client may disconnect
        finally:
            writer.close()

    def _answer(self, conversation: list[Entry]) -> list[Event]:
        results: list[str] = []
        for entry in reversed(conversation):
            if entry.kind != "result":
                break
            results.insert(0, entry.text)
        message = next(entry.text for entry in reversed(conversation) if entry.kind == "user")
        calls = re.findall(r"^call (\w+) (.*)$", message, re.MULTILINE)
        if calls and not results:
            return self.wire.calls([Call(f"call_{n}", *call) for n, call in enumerate(calls)])
        return self.wire.text(re.findall(r"\S+\s*", "\n".join(results) or f"You said: {message}"))


def _open_calls(conversation: list[Entry]) -> int:
    """How many calls have no result."""
    kinds = [entry.kind for entry in conversation]
    return kinds.count("call") - kinds.count("result")


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(head[0].split()[1], headers, json.loads(body))


def frame(event: Event) -> bytes:
    """One server-sent event."""
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def _send(writer: asyncio.StreamWriter, frames: Iterable[bytes]) -> None:
    head = ("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", "Connection: close")
    writer.write("\r\n".join((*head, "", "")).encode())
    for data in frames:
        writer.write(b"%x\r\n%s\r\n" % (len(data), data))


async def whole(writer: asyncio.StreamWriter, frames: list[bytes]) -> None:
    _send(writer, frames)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def hang(_writer: asyncio.StreamWriter, _frames: list[bytes]) -> None:
    """Accept the request without ever answering."""
    await asyncio.Event().wait()


async def stall(writer: asyncio.StreamWriter, frames: list[bytes]) -> None:
    """Stop in the middle of the stream, keeping the connection open."""
    _send(writer, frames[: len(frames) // 2])
    await asyncio.Event().wait()


async def cut(writer: asyncio.StreamWriter, frames: list[bytes]) -> None:
    """Close the connection in the middle of the stream."""
    _send(writer, frames[: len(frames) // 2])
    await writer.drain()


async def end_early(writer: asyncio.StreamWriter, frames: list[bytes]) -> None:
    """End the stream properly, but before the response is complete."""
    await whole(writer, frames[: len(frames) // 2])


async def malformed(writer: asyncio.StreamWriter, frames: list[bytes]) -> None:
    """Send invalid JSON in the middle of the stream."""
    middle = len(frames) // 2
    broken = frames[middle].replace(b"data: {", b"data: {no JSON")
    await whole(writer, [*frames[:middle], broken, *frames[middle + 1 :]])


async def empty(writer: asyncio.StreamWriter, _frames: list[bytes]) -> None:
    """Send an empty stream."""
    await whole(writer, [])


async def drop(_writer: asyncio.StreamWriter, _frames: list[bytes]) -> None:
    """Close the connection without a response."""


def events(*sent: Event) -> Fault:
    """Stream these events instead."""

    async def fault(writer: asyncio.StreamWriter, _frames: list[bytes]) -> None:
        await whole(writer, [frame(event) for event in sent])

    return fault


def status(code: int, body: Event, **headers: str) -> Fault:
    """Answer with an error; header names use `_` for `-`."""

    async def fault(writer: asyncio.StreamWriter, _frames: list[bytes]) -> None:
        data = json.dumps(body).encode()
        sent = {"Content-Type": "application/json", "Content-Length": str(len(data)), "Connection": "close", **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in sent.items()]
        writer.write("\r\n".join((f"HTTP/1.1 {code} Error", *lines, "", "")).encode() + data)
        await writer.drain()

    return fault
