"""Runs the tools of the agent and of MCP_SERVERS, and no others, with a timeout and results as text.

pydantic-ai takes more than a second to import, so the functions here import it, after `load` has done so in a thread.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError
from pydantic_core import to_json, to_jsonable_python

from ..interfaces import ServiceUnavailable, StatementTimeout, ToolCall, ToolDefinition, ToolOutcome
from .model_text import sanitize

if TYPE_CHECKING:
    from pydantic_ai import FunctionToolset
    from pydantic_ai.models import Model

    from ...config import Settings
    from ..interfaces import ToolContext
    from .mcp_tools import McpTools

    Toolset = FunctionToolset[ToolContext]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Loaded:
    toolsets: Sequence[Toolset]
    model: Model  # that a `RunContext` requires, although tools do not use it
    servers: McpTools | None


class AgentToolbox:
    """Implements `Toolbox` with the toolsets that `load_toolsets` imports, and the tools of MCP servers."""

    def __init__(self, settings: Settings, load_toolsets: Callable[[], Sequence[Toolset]]) -> None:
        self.is_broken = False
        self._load_toolsets = load_toolsets
        self._settings = settings
        self._loading = asyncio.Lock()
        self._offered: Sequence[ToolDefinition] = ()
        self._timeout = settings.TOOL_TIMEOUT_SECONDS
        self._longest = settings.TOOL_RESULT_MAX_CHARACTERS

    async def check(self) -> None:
        """Import the tools in a thread, once. Raises `ValueError` if a tool differs between turns."""
        async with self._loading:
            if "_loaded" in self.__dict__:
                return
            try:
                await asyncio.to_thread(lambda: self._loaded)
            except Exception:
                self.is_broken = True
                raise
            self.is_broken = False

    async def load(self, wait_seconds: float | None = None) -> None:
        """Also describe the tools: those that are added later are not offered, except by MCP servers."""
        if "_own" not in self.__dict__:
            await self.check()
            await asyncio.to_thread(lambda: self._own)
        await self.ask_servers(wait_seconds)

    async def ask_servers(self, wait_seconds: float | None = None) -> None:
        if (servers := self._loaded.servers) is not None:
            await servers.refresh(wait_seconds)

    async def close(self) -> None:
        if "_loaded" in self.__dict__ and self._loaded.servers is not None:
            await self._loaded.servers.close()

    @cached_property
    def _loaded(self) -> _Loaded:
        # First: a thread that begins with a module of pydantic-ai deadlocks with one that imports the package.
        import pydantic_ai  # noqa: F401 - only for the order

        from .offline_model import build_offline_model

        toolsets = self._load_toolsets()
        tools = [tool for toolset in toolsets for tool in toolset.tools.values()]
        if prepared := [tool.name for tool in tools if tool.prepare]:
            raise ValueError(f"tools are the same in every turn: remove `prepare` from {', '.join(prepared)}")
        if twice := [name for name, count in Counter(tool.name for tool in tools).items() if count > 1]:
            raise ValueError(f"two toolsets have the same tool: rename one {', '.join(twice)}")
        return _Loaded(toolsets, build_offline_model(), _servers(self._settings))

    @cached_property
    def _own(self) -> Sequence[ToolDefinition]:
        return tuple(
            ToolDefinition(tool.name, tool.description or "", tool.function_schema.json_schema, tool.requires_approval)
            for toolset in self._loaded.toolsets
            for tool in toolset.tools.values()
        )

    @property
    def definitions(self) -> Sequence[ToolDefinition]:
        """The same object as long as nothing changes: the model's client converts it once."""
        servers = self._loaded.servers
        if servers is None:
            return self._own
        own = {tool.name for tool in self._own}
        offered = (*self._own, *(tool for tool in servers.definitions if tool.name not in own))
        if offered != self._offered:
            self._offered = offered
        return self._offered

    @property
    def servers(self) -> Mapping[str, str | None]:
        if "_loaded" not in self.__dict__ or self._loaded.servers is None:
            return {}
        return self._loaded.servers.failures

    def requires_approval(self, tool: str) -> bool:
        for own in self._own:
            if own.name == tool:
                return own.requires_approval
        servers = self._loaded.servers
        return servers is not None and servers.requires_approval(tool)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        """Validate the arguments and run the tool. The outcome describes any failure.

        Raises `ServiceUnavailable` if the tool could not reach the database, which the turn needs too: the call is
        repeated when the turn resumes. A statement that takes too long is a failure of the tool.
        """
        await self.load()
        from pydantic_ai import ModelRetry, RunContext, ToolFailed
        from pydantic_ai.messages import INVALID_JSON_KEY
        from pydantic_ai.usage import RunUsage

        toolset = next((toolset for toolset in self._loaded.toolsets if call.name in toolset.tools), None)
        if INVALID_JSON_KEY in call.arguments:
            return ToolOutcome("The arguments are not a JSON object.", failed=True, unreadable=True)
        if toolset is None:
            return await self._call_server(call, context)
        model, usage = self._loaded.model, RunUsage()
        run = RunContext(deps=context, model=model, usage=usage, tool_name=call.name, tool_call_id=call.id)
        definition = toolset.tools[call.name].tool_def
        timeout = definition.timeout or toolset.timeout or self._timeout
        tool = toolset.tool_for_tool_def(replace(definition, timeout=timeout), ctx=run)
        try:
            try:
                arguments = tool.args_validator.validate_python(call.arguments)
            except ValidationError as error:
                details = error.errors(include_url=False, include_context=False, include_input=False)
                wrong = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details]
                return ToolOutcome(f"Wrong arguments. {'; '.join(wrong)}", failed=True)
            if tool.args_validator_func is not None:
                checked = tool.args_validator_func(run, **arguments)
                if inspect.isawaitable(checked):
                    await checked
            return ToolOutcome(self._text(await toolset.call_tool(call.name, arguments, run, tool)))
        except (ModelRetry, ToolFailed) as error:
            return ToolOutcome(self._text(error.message), failed=True)
        except (Exception, asyncio.CancelledError, SystemExit) as error:  # a tool may raise anything
            if _ends_turn(error):
                raise
            frames = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote contents
            log.error("tool_failed", tool=call.name, error=type(error).__name__, traceback=frames)
            return ToolOutcome("The tool failed.", failed=True)

    async def _call_server(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        servers = self._loaded.servers
        answer = None if servers is None else await servers.call(call, context)
        if answer is None:
            names = ", ".join(tool.name for tool in self.definitions) or "none"
            return ToolOutcome(f"There is no tool {call.name}. The tools are: {names}.", failed=True, unreadable=True)
        text, failed = answer
        return ToolOutcome(self._text(text), failed=failed)

    def _text(self, result: object) -> str:
        from pydantic_ai import ToolReturn

        if isinstance(result, ToolReturn):
            result = result.return_value
        content = sanitize(result if isinstance(result, str) else to_jsonable_python(result))
        text = content if isinstance(result, str) else to_json(content).decode()
        if len(text) <= self._longest:
            return text
        note = f"\n[truncated: {len(text)} characters are too many]"
        return text[: self._longest - len(note)] + note


def _servers(settings: Settings) -> McpTools | None:
    if not settings.MCP_SERVERS:
        return None
    from .mcp_tools import McpTools

    return McpTools(settings)


def _ends_turn(error: BaseException) -> bool:
    """Whether the turn was cancelled or lost its database. A tool may also cancel its own tasks, and so fail."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    if isinstance(error, ServiceUnavailable):
        return error.service == "database" and not isinstance(error, StatementTimeout)
    return False
