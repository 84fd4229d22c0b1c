"""The model behind LLM_MODEL=offline: deterministic, free, and run by the same code as any other.

It streams word by word, and understands these messages, in any case:

- `Remember that …` and `Note: …` call `save_note`; `What do you remember?` and `List my notes` call `list_notes`
- `What time is it in <place>?` calls `current_time`; the place is an IANA time zone, or the city in its name
- a line `call <tool> {"argument": …}` calls an available tool; several lines call several tools
- `wait <n> seconds` anywhere spreads the reply over that time (60 seconds at most)

It answers tool results by repeating them, and any other message by quoting the conversation, with the type and size of
each file. If the message has a JSON Schema for the answer, it answers with the smallest object that fits.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponseStreamEvent,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters, StreamedResponse
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from .offline_output import smallest

LONGEST_WAIT_SECONDS = 60.0
REQUEST_TOKENS = 50  # reported for each request

_REMEMBER = re.compile(r"(?:please\s+)?remember that\s+(.+)|note:\s*(.+)", re.IGNORECASE | re.DOTALL)
_RECALL = re.compile(r"what do you remember|list my notes", re.IGNORECASE)
_TIME = re.compile(r"what time is it in\s+([\w/+\- ]+)|(?:the )?time in\s+([\w/+\- ]+)", re.IGNORECASE)
_CALL = re.compile(r"^call\s+(\w+)\s*(\{.*\})?\s*$", re.IGNORECASE | re.MULTILINE)
_WAIT = re.compile(r"\bwait\s+(\d+(?:\.\d+)?)\s+seconds?\b", re.IGNORECASE)


def build_offline_model() -> FunctionModel:
    return _OfflineModel(_no_whole_response, model_name="offline")


async def _no_whole_response(*_: object) -> Any:
    raise NotImplementedError("the offline model only streams")


class _OfflineModel(FunctionModel):
    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,  # noqa: ARG002 - the signature of `Model`
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,  # noqa: ARG002 - as above
    ) -> AsyncGenerator[StreamedResponse]:
        tools = {tool.name for tool in model_request_parameters.function_tools}
        output = model_request_parameters.output_object
        schema = output.json_schema if output is not None else None
        async with aclosing(_respond(messages, tools, schema)) as pieces:
            yield _OfflineResponse(model_request_parameters, pieces)


@dataclass
class _OfflineResponse(StreamedResponse):
    """The pieces as events. `FunctionModel` has a response too, which takes a lock and counts tokens for each piece."""

    _pieces: AsyncIterator[str | ToolCallPart]
    model_name: str = "offline"
    provider_name: None = None
    provider_url: None = None
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def timestamp(self) -> datetime:
        return self._began

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        self._usage = RequestUsage(input_tokens=REQUEST_TOKENS)
        async for piece in self._pieces:
            self._usage.output_tokens += 1  # about a word
            if isinstance(piece, str):
                for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=piece):
                    yield event
            else:
                yield self._parts_manager.handle_part(vendor_part_id=None, part=piece)


async def _respond(
    messages: list[ModelMessage], available: set[str], schema: dict[str, Any] | None = None
) -> AsyncGenerator[str | ToolCallPart]:
    prompts = [part for part in _request_parts(messages) if isinstance(part, UserPromptPart)]
    texts = [_text(prompt) for prompt in prompts]
    results = [part for part in _request_parts(messages[-1:]) if isinstance(part, ToolReturnPart)]
    calls = [] if results else _calls(texts[-1])
    missing = [tool for tool, _ in calls if tool not in available]
    if calls and not missing:
        for index, (tool, arguments) in enumerate(calls):
            yield ToolCallPart(tool, arguments, f"call_{len(messages)}_{index}")
        return
    if schema is not None:
        reply = json.dumps(smallest(schema), ensure_ascii=False)
    elif results:
        reply = "\n".join(f"{part.tool_name}: {part.model_response_str(wrap_if_error=False)}" for part in results)
    elif missing:
        reply = f"I have no tool {', '.join(missing)}; my tools: {', '.join(sorted(available)) or 'none'}."
    else:
        reply = _conversation(texts) + _files(prompts)
    words = re.findall(r"\s*\S+\s*", reply if schema is not None else f"(offline) {reply}")
    wait = _WAIT.search(texts[-1])
    seconds = min(float(wait[1]), LONGEST_WAIT_SECONDS) if wait else 0.0
    for word in words:
        await asyncio.sleep(seconds / len(words))
        yield word


def _request_parts(messages: Sequence[ModelMessage]) -> list[object]:
    return [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]


def _text(prompt: UserPromptPart) -> str:
    """The message without its files, whose names follow it."""
    return prompt.content if isinstance(prompt.content, str) else str(prompt.content[0])


def _files(prompts: Sequence[UserPromptPart]) -> str:
    contents = [content for prompt in prompts if not isinstance(prompt.content, str) for content in prompt.content]
    files = [f"{file.media_type} of {len(file.data)} bytes" for file in contents if isinstance(file, BinaryContent)]
    return f" I see {', '.join(files)}." if files else ""


def _calls(text: str) -> list[tuple[str, str]]:
    """The names of the tools to call, each with its arguments as JSON."""
    if directives := _CALL.findall(text):
        return [(tool, arguments or "{}") for tool, arguments in directives]
    if note := _REMEMBER.match(text.strip()):
        return [("save_note", json.dumps({"text": (note[1] or note[2]).strip()}))]
    if _RECALL.search(text):
        return [("list_notes", "{}")]
    if place := _TIME.search(text):
        name = (place[1] or place[2]).strip()
        zone = _zones().get(name.lower().replace(" ", "_"), name)
        return [("current_time", json.dumps({"time_zone": zone}))]
    return []


@cache
def _zones() -> dict[str, str]:
    """Time zones by the last part of their names and by their full names."""
    zones = sorted(available_timezones(), reverse=True)
    return {zone.lower().rpartition("/")[2]: zone for zone in zones} | {zone.lower(): zone for zone in zones}


def _conversation(texts: Sequence[str]) -> str:
    before = f" Before that: {_quote(texts[-2])}." if len(texts) > 1 else ""
    return f"This is message {len(texts)} of our conversation. You said: {_quote(texts[-1])}.{before}"


def _quote(text: str) -> str:
    short = " ".join(text.split())
    return f'"{short[:200]}…"' if len(short) > 200 else f'"{short}"'
