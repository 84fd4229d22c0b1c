"""The tools of MCP_SERVERS: lists them, calls them, and does without a server that does not answer (rule 4.1).

The SDK takes a second to import and 25 MiB: `toolbox` imports this module only if there is a server.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any, TextIO, cast

import httpx2
import structlog
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import ValidationError
from pydantic_core import to_json

from ...constants import SLUG, VERSION
from ..interfaces import ToolCall, ToolDefinition
from ..outbound import OutboundHttp, OutboundRefused
from .model_text import sanitize

if TYPE_CHECKING:
    from ...config import Settings
    from ...mcp_settings import McpServer
    from ..interfaces import ToolContext

log = structlog.get_logger(__name__)

LIST_SECONDS = 300.0  # between two lists of a server's tools
RETRY_SECONDS = 30.0  # until a server that did not answer is asked again
ANSWER_SECONDS = 30.0  # for a list of tools, a program's start included
FIRST_LIST_SECONDS = 5.0  # how long a turn waits for the first lists of a process
CLOSE_SECONDS = 10.0
MOST_TOOLS = 100  # of one server
MOST_PAGES = 20
LONGEST_DESCRIPTION = 2000  # characters, and of a schema ten times as many
LONGEST_NAME = 64  # that providers accept
CALL_KEY = f"{SLUG}/call-key"
SESSION_HEADER = "mcp-session-id"  # of revisions before 2026-07-28
UNKNOWN_SESSION = (types.INVALID_REQUEST, -32001)  # errors with status 404, of the official SDKs

NoteStatus = Callable[[httpx2.Response], Awaitable[None]]
Opened = Callable[[NoteStatus], AbstractAsyncContextManager[Client]]

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class _Tool:
    name: str  # at the server
    definition: ToolDefinition


class McpTools:
    """The tools of all servers. Their names begin with the server's."""

    def __init__(self, settings: Settings) -> None:
        self._servers = {name: _Server(name, server, settings) for name, server in settings.mcp_servers.items()}

    @property
    def definitions(self) -> Sequence[ToolDefinition]:
        """The tools of the servers that answered last time."""
        return tuple(tool.definition for server in self._servers.values() for tool in server.tools.values())

    @property
    def failures(self) -> Mapping[str, str | None]:
        """Why each server does not answer; `None` if it does."""
        return {name: server.failure for name, server in self._servers.items()}

    async def refresh(self, wait_seconds: float | None = None) -> None:
        """List tools in the background where that is due, and wait for servers that were never asked before."""
        lists = [first for server in self._servers.values() if (first := server.refresh()) is not None]
        if lists:
            await asyncio.wait(lists, timeout=FIRST_LIST_SECONDS if wait_seconds is None else wait_seconds)

    def requires_approval(self, tool: str) -> bool:
        """Whether calls of this name wait for a person. It depends on the settings alone, not on what is available."""
        server = self._server_of(tool)
        return server is not None and server.requires_approval(tool)

    async def call(self, call: ToolCall, context: ToolContext) -> tuple[str, bool] | None:
        """The text of the result, and whether the call failed; `None` if no server has this tool."""
        server = self._server_of(call.name)
        return None if server is None else await server.call(call, context)

    async def close(self) -> None:
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    def _server_of(self, tool: str) -> _Server | None:
        """The server that may have the tool, by the settings."""
        server = self._servers.get(tool.partition("_")[0])
        return server if server is not None and server.allows(tool) else None


class _Server:
    """One server, its last list of tools, and why it did not answer, if so."""

    def __init__(self, name: str, config: McpServer, settings: Settings) -> None:
        self.tools: dict[str, _Tool] = {}
        self.failure: str | None = "was not asked yet"
        self._name = name
        self._config = config
        self._timeout = config.timeout or settings.TOOL_TIMEOUT_SECONDS
        self._open = _http(config, settings) if config.url else _stdio(config, settings)
        self._connection: _Connection | None = None
        self._ended: set[_Connection] = set()  # and perhaps not closed yet
        self._listing: asyncio.Task[None] | None = None
        self._due = 0.0
        self._was_asked = False

    def allows(self, tool: str) -> bool:
        return self._matches(tool, self._config.tools)

    def requires_approval(self, tool: str) -> bool:
        return self._matches(tool, self._config.approve)

    def _matches(self, tool: str, patterns: Sequence[str]) -> bool:
        server, separator, name = tool.partition("_")
        return bool(separator) and server == self._name and any(fnmatchcase(name, pattern) for pattern in patterns)

    def refresh(self) -> asyncio.Task[None] | None:
        """List the tools in the background if that is due; returns the task if no list has ended before."""
        if (self._listing is None or self._listing.done()) and time.monotonic() >= self._due:
            self._listing = asyncio.create_task(self._list(), context=Context())  # no turn's
        return None if self._was_asked else self._listing

    async def call(self, call: ToolCall, context: ToolContext) -> tuple[str, bool] | None:
        """The text of the result, and whether the call failed; `None` if there is no such tool."""
        tool = self.tools.get(call.name)
        if tool is None and self.failure is not None:
            tool = await self._tool_again(call.name)
        if tool is None:
            return None if self.failure is None else (f"The server {self._name} is not available at the moment.", True)
        clock = asyncio.timeout(self._timeout)
        try:
            async with clock:
                result = await self._call(tool, call, {CALL_KEY: context.call_key})
        except (Exception, asyncio.CancelledError) as error:  # the SDK and the transport may raise anything
            if isinstance(error, TimeoutError) and clock.expired():
                return f"Timed out after {self._timeout:g} seconds.", True
            if isinstance(error, MCPError) and error.code != types.CONNECTION_CLOSED:
                return f"The server refused the call: {error.message}", True
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            if isinstance(error, ValidationError):
                return f"The server {self._name} gave an invalid answer, so the outcome of the call is unknown.", True
            self._lost(error)
        else:
            return sanitize("\n".join(_texts(result))), bool(result.is_error)
        return f"The connection to the server {self._name} was lost, so the outcome of the call is unknown.", True

    async def _tool_again(self, name: str) -> _Tool | None:
        """The tool, if its server answers again: it may have been away for a moment."""
        self.refresh()
        if self._listing is not None:
            await asyncio.wait({self._listing}, timeout=FIRST_LIST_SECONDS)
        return self.tools.get(name)

    async def _call(self, tool: _Tool, call: ToolCall, meta: dict[str, str]) -> types.CallToolResult:
        params = types.CallToolRequestParams(name=tool.name, arguments=call.arguments, _meta=meta)
        request = types.CallToolRequest(params=params)
        connection = self._connected()
        try:
            return await connection.send(request)
        except MCPError as error:
            if not (connection.session_is_gone and error.code in UNKNOWN_SESSION):
                raise
        self._end(connection)  # the server restarted, and has not run the call
        return await self._connected().send(request)

    async def close(self) -> None:
        if self._listing is not None:
            self._listing.cancel()
            await asyncio.wait({self._listing})
        open_ones = {self._connection} if self._connection is not None else set()
        await asyncio.gather(*(connection.close() for connection in self._ended | open_ones))

    def _connected(self) -> _Connection:
        if self._connection is None or not self._connection.is_open:
            self._connection = _Connection(self._open)
        return self._connection

    async def _list(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                client = await self._connected().client()
                self.tools = {tool.definition.name: tool for tool in self._offered(await _all_tools(client))}
        except Exception as error:  # noqa: BLE001 - the SDK and the transport may raise anything
            self._lost(error)
        else:
            self._due = time.monotonic() + LIST_SECONDS
            if self.failure is not None:
                log.info("mcp_server_available", server=self._name, tools=len(self.tools))
            self.failure = None
        finally:
            self._was_asked = True

    def _lost(self, error: BaseException) -> None:
        """Do without the server's tools, until it answers again."""
        reason = _reason(error)
        if self.failure is None or not self._was_asked:
            log.warning("mcp_server_unavailable", server=self._name, reason=reason)
        self._due = time.monotonic() + (RETRY_SECONDS if self.failure is not None else 0)  # at once the first time
        self.failure, self.tools = reason, {}
        if self._connection is not None:
            self._end(self._connection)
            self._connection = None

    def _end(self, connection: _Connection) -> None:
        connection.end()
        self._ended = {connection, *(ended for ended in self._ended if not ended.is_closed)}

    def _offered(self, tools: Sequence[types.Tool]) -> Iterator[_Tool]:
        """Yield the allowed tools. Those that no provider would accept are left out."""
        taken: set[str] = set()
        for tool in tools:
            name = _NOT_IN_NAMES.sub("_", tool.name)
            full = f"{self._name}_{name}"
            if not self.allows(full):
                continue
            schema = sanitize(tool.input_schema)
            is_usable = len(full) <= LONGEST_NAME and full not in taken and len(taken) < MOST_TOOLS
            if not is_usable or len(str(schema)) > 10 * LONGEST_DESCRIPTION:
                log.warning("mcp_tool_left_out", server=self._name, tool=full[:LONGEST_NAME])
                continue
            taken.add(full)
            description = sanitize(tool.description or tool.title or "")[:LONGEST_DESCRIPTION]
            yield _Tool(tool.name, ToolDefinition(full, description, schema, self.requires_approval(full)))


class _Connection:
    """A session with a server, in a task of its own: the SDK requires that one task opens and closes it."""

    def __init__(self, opened: Opened) -> None:
        self.session_is_gone = False
        self._opened = opened
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run(), context=Context())  # it outlives the turn

    @property
    def is_open(self) -> bool:
        return not self._task.done() and not self._closing.is_set()

    @property
    def is_closed(self) -> bool:
        return self._task.done()

    async def client(self) -> Client:
        """The client, once it is connected. Raises what connecting raised."""
        await asyncio.wait({self._ready})  # shared by all callers, so cancelling one must not cancel it
        return self._ready.result()

    async def send(self, request: types.CallToolRequest) -> types.CallToolResult:
        """Call a tool. `Client.call_tool` would also match the result against the server's regular expressions."""
        return await (await self.client()).session.send_request(request, types.CallToolResult)

    def end(self) -> None:
        """Begin to close it: an unresponsive program takes a few seconds to stop."""
        if not self._closing.is_set() and not self._ready.done():
            self._task.cancel()  # once: a second time would interrupt the SDK while it stops the program
        self._closing.set()

    async def close(self) -> None:
        self.end()
        _, running = await asyncio.wait({self._task}, timeout=CLOSE_SECONDS)
        for task in running:
            task.cancel()

    async def _note_status(self, response: httpx2.Response) -> None:
        if response.status_code == HTTPStatus.NOT_FOUND and SESSION_HEADER in response.request.headers:
            self.session_is_gone = True

    async def _run(self) -> None:
        try:
            async with self._opened(self._note_status) as client:
                self._ready.set_result(client)
                await self._closing.wait()
        except BaseException as error:  # noqa: BLE001 - `client` raises it; calls notice a lost connection themselves
            if not self._ready.done():
                self._ready.set_exception(error if isinstance(error, Exception) else ConnectionError("was closed"))
                self._ready.exception()  # retrieved, even if nobody waits


def _http(config: McpServer, settings: Settings) -> Opened:
    @asynccontextmanager
    async def opened(note_status: NoteStatus) -> AsyncIterator[Client]:
        assert config.url is not None  # noqa: S101 - checked by the settings
        http = OutboundHttp(settings).streaming(headers=config.headers)
        http.event_hooks["response"].append(note_status)
        async with http, _client(streamable_http_client(config.url, http_client=http)) as client:
            yield client

    return opened


def _stdio(config: McpServer, settings: Settings) -> Opened:
    command, *arguments = config.command
    errors = None if settings.DEBUG else DEVNULL  # they may quote contents; the SDK passes them to asyncio as they are

    @asynccontextmanager
    async def opened(_: NoteStatus) -> AsyncIterator[Client]:
        server = StdioServerParameters(command=command, args=arguments, env=dict(config.env))
        async with _client(stdio_client(server, errlog=cast("TextIO", errors))) as client:
            yield client

    return opened


def _client(transport: AbstractAsyncContextManager[Any]) -> Client:
    return Client(transport, client_info=types.Implementation(name=SLUG, version=VERSION), cache=None)


async def _all_tools(client: Client) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def _texts(result: types.CallToolResult) -> Iterator[str]:
    """Yield the parts of a result that a model can read, and the types of the others."""
    for part in result.content:
        match part:
            case types.TextContent():
                yield part.text
            case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
                yield resource.text
            case types.ResourceLink():
                yield f"{part.name}: {part.uri}"
            case types.ImageContent(mime_type=kind) | types.AudioContent(mime_type=kind):
                yield f"[{kind}, which cannot be shown]"
            case types.EmbeddedResource(resource=resource):
                yield f"[{resource.mime_type or resource.uri}, which cannot be shown]"
    if not result.content and result.structured_content is not None:
        yield to_json(result.structured_content).decode()


def _is_cancelled() -> bool:
    """Whether the turn is cancelled, rather than a task of the SDK."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _reason(error: BaseException) -> str:
    """Why a server does not answer, without what it wrote, which may quote contents."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case TimeoutError():
            reason = "does not answer in time"
        case OutboundRefused():
            reason = f"cannot be reached: {error}"
        case httpx2.HTTPStatusError():
            reason = f"answers with HTTP {error.response.status_code}"
        case OSError(filename=str() as name):
            reason = f"cannot be started: {name} ({type(error).__name__})"
        case MCPError(code=types.CONNECTION_CLOSED):
            reason = "closed the connection"
        case MCPError():
            reason = f"answers with the error {error.code}"
        case _:
            reason = f"cannot be reached ({type(error).__name__})"
    return reason
