"""The models of the floors, which answer at once: the project's own, which only streams, and its words in one piece."""

from __future__ import annotations

from importlib import import_module
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
    from pydantic_ai.models import Model

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


def streaming() -> Model:
    """Return the offline model of the project whose Python runs this."""
    built: Model = import_module("my_agent.services.implementations.offline_model").build_offline_model()
    return built


def answering() -> Model:
    """Return a model that answers whole."""
    return FunctionModel(whole, model_name="offline")
