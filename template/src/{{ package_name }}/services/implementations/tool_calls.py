"""Runs the tools of a pydantic-ai toolset with validated arguments, a timeout and results as text. See `toolbox`."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from pydantic_ai import ModelRetry, RunContext, ToolFailed, ToolReturn
from pydantic_ai.messages import INVALID_JSON_KEY
from pydantic_ai.usage import RunUsage
from pydantic_core import to_json, to_jsonable_python

from ..interfaces import ServiceUnavailable, StatementTimeout, ToolCall, ToolDefinition, ToolOutcome
from .offline_model import build_offline_model
from .sanitize import sanitize

if TYPE_CHECKING:
    from pydantic_ai import FunctionToolset
    from pydantic_ai.toolsets.function import FunctionToolsetTool

    from ...config import Settings
    from ..interfaces import ToolContext

log = structlog.get_logger(__name__)


class ToolCalls:
    """The tools of one toolset. Raises `ValueError` for a tool with a feature that is not supported here."""

    def __init__(self, toolset: FunctionToolset[ToolContext], settings: Settings) -> None:
        if prepared := [tool.name for tool in toolset.tools.values() if tool.prepare]:
            raise ValueError(f"tools are the same in every turn: remove `prepare` from {', '.join(prepared)}")
        self._toolset = toolset
        self._timeout = settings.TOOL_TIMEOUT_SECONDS
        self._longest = settings.TOOL_RESULT_MAX_CHARACTERS
        self._model = build_offline_model()  # required by RunContext, unused by tools
        self.definitions = tuple(
            ToolDefinition(
                name=tool.name,
                description=tool.description or "",
                parameters=tool.function_schema.json_schema,
                requires_approval=tool.requires_approval,
            )
            for tool in toolset.tools.values()
        )

    async def call(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        """Validate the arguments and run the tool. The outcome describes any failure.

        Raises `ServiceUnavailable` if the tool could not reach the database, which the turn needs too: the call is
        repeated when the turn resumes. A statement that takes too long is a failure of the tool.
        """
        if call.name not in self._toolset.tools:
            names = ", ".join(self._toolset.tools) or "none"
            return ToolOutcome(f"There is no tool {call.name}. The tools are: {names}.", failed=True, unreadable=True)
        run = RunContext(deps=context, model=self._model, usage=RunUsage(), tool_name=call.name, tool_call_id=call.id)
        tool = self._tool(call.name, run)
        try:
            arguments = await _validated(call, tool, run)
            result = await self._toolset.call_tool(call.name, arguments, run, tool)
            return ToolOutcome(self._text(result))
        except _WrongArguments as error:
            return ToolOutcome(str(error), failed=True, unreadable=INVALID_JSON_KEY in call.arguments)
        except (ModelRetry, ToolFailed) as error:
            return ToolOutcome(self._text(error.message), failed=True)
        except (Exception, asyncio.CancelledError, SystemExit) as error:  # a tool may raise anything
            if _ends_turn(error):
                raise
            frames = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote contents
            log.error("tool_failed", tool=call.name, error=type(error).__name__, traceback=frames)
            return ToolOutcome("The tool failed.", failed=True)

    def _tool(self, name: str, run: RunContext[ToolContext]) -> FunctionToolsetTool[ToolContext]:
        definition = self._toolset.tools[name].tool_def
        timeout = definition.timeout or self._toolset.timeout or self._timeout
        return self._toolset.tool_for_tool_def(replace(definition, timeout=timeout), ctx=run)

    def _text(self, result: object) -> str:
        if isinstance(result, ToolReturn):
            result = result.return_value
        content = sanitize(result if isinstance(result, str) else to_jsonable_python(result))
        text = content if isinstance(result, str) else to_json(content).decode()
        if len(text) <= self._longest:
            return text
        note = f"\n[truncated: {len(text)} characters are too many]"
        return text[: self._longest - len(note)] + note


def _ends_turn(error: BaseException) -> bool:
    """Whether the turn was cancelled or lost its database. A tool may also cancel its own tasks, and so fail."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0
    if isinstance(error, ServiceUnavailable):
        return error.service == "database" and not isinstance(error, StatementTimeout)
    return False


class _WrongArguments(Exception):
    """Reported to the model, so that it can correct the arguments."""


async def _validated(
    call: ToolCall, tool: FunctionToolsetTool[ToolContext], run: RunContext[ToolContext]
) -> dict[str, Any]:
    if INVALID_JSON_KEY in call.arguments:
        raise _WrongArguments("The arguments are not a JSON object.")
    try:
        arguments: dict[str, Any] = tool.args_validator.validate_python(call.arguments)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details]
        raise _WrongArguments(f"Wrong arguments. {'; '.join(wrong)}") from None
    if tool.args_validator_func is not None:
        checked = tool.args_validator_func(run, **arguments)
        if inspect.isawaitable(checked):
            await checked
    return arguments
