"""The tools that clients of MCP see, with their arguments."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from mcp import types
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from .turns import Outcome


def _sayable(text: str) -> str:
    if not text.strip() or "\0" in text:
        raise ValueError("must not be blank, or hold a NUL character")
    return text


class Ask(BaseModel):
    """Send a message to the agent and return its answer. It runs its own tools."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, AfterValidator(_sayable)] = Field(description="The message.")
    session_id: UUID | None = Field(None, description="The session to continue; without it, a new one begins.")


class Result(BaseModel):
    """Wait for the result of an earlier turn, such as one that waited for an approval or lost its connection."""

    model_config = ConfigDict(extra="forbid")

    session_id: UUID = Field(description="The session of the turn.")
    turn: int = Field(ge=1, le=2**31 - 1, description="The number of the turn in its session.")


def _tool(name: str, arguments: type[BaseModel], annotations: types.ToolAnnotations) -> types.Tool:
    return types.Tool(
        name=name,
        title=annotations.title,
        description=arguments.__doc__,
        input_schema=_schema(arguments),
        output_schema=_schema(Outcome),
        annotations=annotations,
    )


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(mode="serialization" if model is Outcome else "validation")


TOOLS: Final = [
    _tool("ask", Ask, types.ToolAnnotations(title="Ask the agent", open_world_hint=True)),
    _tool("result", Result, types.ToolAnnotations(title="Wait for a result", read_only_hint=True)),
]
