"""Answers one request of the protocol through the official SDK: its current revision, and those with a handshake.

Each request has a server of its own. Nothing is kept between requests, so any replica can answer the next one.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

from mcp import MCPError, types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import StringConstraints, TypeAdapter, ValidationError

from ..chat.models import Status, TurnFailed, TurnKey
from ..constants import SLUG, VERSION
from ..trace_context import continued
from . import approvals
from .progress import Progress
from .tools import TOOLS, Ask, Result
from .turns import ClientTurns, Outcome, problem_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp.server.context import ServerRequestContext
    from starlette.types import Receive, Scope, Send

    from ..chat.models import Turn

    Context = ServerRequestContext[Any, Any]

INSTRUCTIONS = "The tool `ask` sends a message to the agent. Pass its `session_id` again to continue the conversation."
REPEAT_KEY = f"{SLUG}/idempotency-key"
KEY: TypeAdapter[str | None] = TypeAdapter(Annotated[str, StringConstraints(min_length=1, max_length=200)] | None)
HEADERS = {name.encode() for name in ("mcp-protocol-version", "idempotency-key", "traceparent")}

# The supervisor drains: a stream ends with its turn, not with the signal that stops the process.
sys.modules["sse_starlette.sse"].AppStatus.disable_automatic_graceful_drain()
logging.getLogger("mcp").setLevel(logging.ERROR)  # it reports each request


async def serve(turns: ClientTurns, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the request. In the current revision, a client that leaves cancels its turn."""
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in HEADERS}
    manager = StreamableHTTPSessionManager(_Service(turns, headers).server(), stateless=True)
    async with manager.run():
        await manager.handle_request(scope, receive, send)
    if headers.get("mcp-protocol-version") in MODERN_PROTOCOL_VERSIONS:
        await turns.stop()


class _Service:
    """The operations that one request may ask for."""

    def __init__(self, turns: ClientTurns, headers: dict[str, str]) -> None:
        self._turns = turns
        self._headers = headers

    def server(self) -> Server[Any]:
        server: Server[Any] = Server(
            SLUG,
            version=VERSION,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )
        server.middleware.clear()  # spans of the SDK name errors, and so may quote contents
        return server

    async def _list_tools(self, _: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=TOOLS)

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        run = {"ask": self._ask, "result": self._result}.get(params.name)
        if run is None:
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name[:100]!r}.")
        try:
            asks = approvals.can_ask(context)
            if params.request_state is None:
                turn = await run(context, params.arguments or {})
            else:
                turn = await self._turns.get(approvals.turn_of(params.request_state))
                decisions = approvals.decisions(await self._turns.approvals(turn), params.input_responses or {})
                asks = asks and bool(decisions)  # the user may have closed the form
                turn = await self._decide(context, turn, decisions)
            pending = await self._turns.approvals(turn) if asks else ()
            return approvals.questions(turn, pending) if pending else await self._described(turn)
        except ValidationError as error:
            described = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            return _failed("The arguments are wrong. " + "; ".join(described))
        except Exception as error:  # noqa: BLE001 - the SDK would send the text of any other error
            return _failed(_text_of(error))

    async def _ask(self, context: Context, arguments: dict[str, Any]) -> Turn:
        given = Ask.model_validate(arguments)
        meta: dict[str, Any] = dict(context.meta or {})
        key = KEY.validate_python(meta.get(REPEAT_KEY) or self._headers.get("idempotency-key"))
        traceparent = str(meta.get("traceparent", ""))
        inherits = traceparent and "traceparent" not in self._headers
        with continued({"traceparent": traceparent}) if inherits else nullcontext():
            report = Progress(context.session.report_progress).report
            return await self._turns.ask(given.text, given.session_id, key, report)

    async def _result(self, context: Context, arguments: dict[str, Any]) -> Turn:
        given = Result.model_validate(arguments)
        report = Progress(context.session.report_progress).report
        return await self._turns.wait(TurnKey(given.session_id, given.turn), report)

    async def _decide(self, context: Context, turn: Turn, decisions: Sequence[approvals.Decision]) -> Turn:
        """The turn after the answers of the client's user."""
        await self._turns.decide(turn, decisions)
        if turn.status is Status.WAITING and not decisions:
            return turn
        return await self._turns.wait(turn.key, Progress(context.session.report_progress).report)

    async def _described(self, turn: Turn) -> types.CallToolResult:
        outcome = await self._turns.outcome(turn)
        names = f"session_id: {outcome.session_id}, turn: {outcome.turn}"
        texts = [_text(turn, outcome), names]
        return types.CallToolResult(
            content=[types.TextContent(text=text) for text in texts],
            structured_content=outcome.model_dump(mode="json"),
            is_error=turn.status in (Status.FAILED, Status.CANCELLED),
        )


def _text(turn: Turn, outcome: Outcome) -> str:
    """What the model of the client reads of a turn."""
    if turn.error is not None:
        return _text_of(TurnFailed(turn.error))
    if turn.status is Status.SUCCEEDED:
        return turn.response or ""
    if turn.status is Status.CANCELLED:
        return "The turn was cancelled."
    if turn.status is not Status.WAITING:
        return "The turn has not ended yet. Call `result` with these ids to wait for it."
    calls = "\n".join(f"- {each.tool} {json.dumps(each.arguments, ensure_ascii=False)}" for each in outcome.pending)
    address = f"/chat/sessions/{turn.session_id}/turns/{turn.number}/approvals"
    how = f"They decide by POST {address}/{{call_id}}; then call `result` with these ids."
    return f"A person must approve or refuse these calls before the agent continues:\n{calls}\n{how}"


def _text_of(failure: Exception) -> str:
    document = problem_of(failure).document
    return " ".join(text for text in (document["title"], document.get("detail")) if text)


def _failed(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)
