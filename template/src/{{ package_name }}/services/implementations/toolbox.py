"""The agent's tools: only those in its toolset are offered to the model and run.

The toolset imports pydantic-ai, which takes more than a second, so it is loaded when first needed: see `load`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..interfaces import ToolCall, ToolDefinition, ToolOutcome

if TYPE_CHECKING:
    from pydantic_ai import FunctionToolset

    from ...config import Settings
    from ..interfaces import ToolContext
    from .tool_calls import ToolCalls

    Toolset = FunctionToolset[ToolContext]


class AgentToolbox:
    """Implements `Toolbox` with the toolset that `load_toolset` imports."""

    def __init__(self, settings: Settings, load_toolset: Callable[[], Toolset]) -> None:
        self._settings = settings
        self._load_toolset = load_toolset

    async def load(self) -> None:
        """Import the tools in a thread, once."""
        if "_tools" not in self.__dict__:
            await asyncio.to_thread(lambda: self._tools)

    @property
    def definitions(self) -> Sequence[ToolDefinition]:
        return self._tools.definitions

    async def call(self, call: ToolCall, context: ToolContext) -> ToolOutcome:
        await self.load()
        return await self._tools.call(call, context)

    @cached_property
    def _tools(self) -> ToolCalls:
        from .tool_calls import ToolCalls

        return ToolCalls(self._load_toolset(), self._settings)
