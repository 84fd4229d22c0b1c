"""The model of the floors: answers at once, in the words and pieces of the rendered project's offline model."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

INSTRUCTIONS = (
    "You are a helpful assistant. Answer in the user's language, be concise, and say so when you do not know."
)


def history(earlier: list[tuple[str, str]]) -> list[ModelMessage]:
    """Return stored messages, as roles and texts, in the form of pydantic-ai."""
    return [
        ModelRequest([UserPromptPart(text)]) if role == "user" else ModelResponse([TextPart(text)])
        for role, text in earlier
    ]


def reply(messages: list[ModelMessage]) -> str:
    """Return the answer: the number of the message, and the last two messages."""
    asked = [part.content for message in messages for part in message.parts if isinstance(part, UserPromptPart)]
    before = f' Before that: "{asked[-2]}".' if len(asked) > 1 else ""
    return f'(offline) This is message {len(asked)} of our conversation. You said: "{asked[-1]}".{before}'


async def whole(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    return ModelResponse([TextPart(reply(messages))])


async def in_pieces(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[str]:
    for word in re.findall(r"\s*\S+\s*", reply(messages)):
        await asyncio.sleep(0)
        yield word


model = FunctionModel(whole, stream_function=in_pieces, model_name="offline")
