"""The agent's tools: those in the toolset of `agent/tools.py`, and nothing else, are ever run.

That module imports pydantic-ai, which takes more than a second, so it is imported when first needed: see `load`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..interfaces import ToolCall, ToolDefinition, ToolOutcome

if TYPE_CHECKING:
    from ...config import Settings
    from ...extensions import ToolContext
    from .tool_calls import ToolCalls


class AgentToolbox:
    """The toolset of the agent, behind the contract of `Toolbox`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def load(self) -> None:
        """Import the tools without holding up the event loop; afterwards this costs nothing."""
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
        from ...agent.tools import toolset
        from .tool_calls import ToolCalls

        return ToolCalls(toolset, self._settings)
