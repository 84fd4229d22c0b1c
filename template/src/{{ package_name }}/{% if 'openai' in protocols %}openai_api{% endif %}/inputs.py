"""Reads the requests of OpenAI's API. A parameter that this service does not have is refused by its name.

Some clients send the defaults of OpenAI's API, or hints that change nothing in an answer: these are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..chat.output_schemas import check_schema
from ..constants import SLUG
from ..problems import Problem
from ..services.interfaces import ClientMessage
from .attachments import FILES, IMAGES, Attachment, read_attachment
from .errors import invalid, unsupported
from .ids import ItemId, parse_item

MOST_ADDED: Final = 20  # items at a time, as in OpenAI's API
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
SYSTEM: Final = ("system", "developer")
ATTACHED: Final = (*IMAGES, *FILES)
TEXTS: Final = ("input_text", "output_text", "text")
# Items of earlier responses that clients send back. The model gets their texts only.
LEFT_OUT: Final = ("mcp_call", "mcp_approval_request", "mcp_list_tools", "reasoning")
# Parameters that only say what happens anyway, with the values that do; `...` is any value.
NO_EFFECT: Final[Mapping[str, tuple[Any, ...]]] = {
    "frequency_penalty": (0,),
    "include": ([],),
    "include_obfuscation": (False,),
    "logprobs": (False,),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "prompt_cache_key": (...,),
    "prompt_cache_retention": (...,),
    "safety_identifier": (...,),
    "service_tier": ("auto", "default"),
    "temperature": (1,),
    "tool_choice": ("auto",),
    "tools": ([],),
    "top_logprobs": (0,),
    "top_p": (1,),
    "truncation": ("auto",),
    "user": (...,),
    "verbosity": ("medium",),
}

Text = Annotated[str, Field(max_length=1_000_000)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
FORMATS: Final = "text, or json_schema with a schema, or json_object"
MESSAGES: Final = "A text, or a list of messages that ends with one of the user."


class Request(BaseModel):
    """A body whose unknown parameters are refused unless they have no effect."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"additionalProperties": True})

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        known = {}
        for name, value in body.items():
            if name in cls.model_fields:
                known[name] = value
            elif value is not None and not any(value == each or each is ... for each in NO_EFFECT.get(name, ())):
                raise unsupported(name[:100])
        return _without_nul(known)


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class ConversationRef(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str


class ResponseIn(Request):
    input: str | list[dict[str, Any]] = Field(description=MESSAGES)
    model: str | None = Field(None, description="The only model: the agent.")
    instructions: str | None = Field(None, description="Added to the agent's own instructions, for this response.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    background: bool | None = Field(None, description="Whether to return at once, and run the response in a worker.")
    store: bool | None = Field(None, description="Whether the response can be read later; true by default.")
    previous_response_id: str | None = Field(None, description="The response to continue.")
    conversation: str | ConversationRef | None = Field(None, description="The conversation to continue.")
    metadata: Metadata | None = None
    text: dict[str, Any] | None = Field(None, description=f"`format` of the answer: {FORMATS}.")


class CompletionIn(Request):
    messages: list[dict[str, Any]] = Field(min_length=1, description="The whole history, ending with the user.")
    model: str | None = Field(None, description="The only model: the agent.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: Metadata | None = None
    response_format: dict[str, Any] | None = Field(None, description=f"The format of the answer: {FORMATS}.")
    store: Literal[False] | None = Field(None, description="Completions are not stored.")


class ConversationIn(Request):
    items: list[dict[str, Any]] | None = Field(None, max_length=MOST_ADDED)
    metadata: Metadata | None = None


class ConversationChange(Request):
    metadata: Metadata | None


class ItemsIn(Request):
    items: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_ADDED)


def _without_nul(value: Any, path: str = "") -> Any:
    """Raises `Problem` for text that the database cannot store."""
    if isinstance(value, str) and "\0" in value:
        raise invalid(path or None, "A text must not hold a NUL character.")
    if isinstance(value, dict):
        for name, each in value.items():
            _without_nul(name, path)
            _without_nul(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _without_nul(each, f"{path}[{index}]")
    return value


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's answer to a request for approval."""

    request: ItemId
    approve: bool
    reason: str | None


@dataclass(slots=True)
class Input:
    """The messages of a request with their files, or its decisions."""

    messages: list[ClientMessage] = field(default_factory=list)
    files: list[Attachment] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """An answer in JSON. `described` is the client's format without the schema."""

    schema: dict[str, Any]
    described: dict[str, Any]


def format_of_response(text: dict[str, Any] | None) -> AnswerFormat | None:
    """The parameter `text` of a response. Raises `Problem`."""
    given = None
    for name, value in (text or {}).items():
        at = f"text.{name[:100]}"
        if name == "format":
            given = _read_format(value, value, at)
        elif name != "verbosity" or value not in (None, "medium"):
            raise unsupported(at)
    return given


def format_of_completion(given: dict[str, Any] | None) -> AnswerFormat | None:
    """The parameter `response_format` of a completion. Raises `Problem`."""
    at = "response_format.json_schema" if (given or {}).get("type") == "json_schema" else "response_format"
    return _read_format(given, (given or {}).get("json_schema"), at)


def _read_format(given: Any, described: Any, at: str) -> AnswerFormat | None:
    type_ = given.get("type") if isinstance(given, dict) else given
    if type_ in (None, "text"):
        return None
    if type_ == "json_object":
        return AnswerFormat({"type": "object"}, {"type": type_})
    if type_ != "json_schema":
        raise invalid(f"{at}.type", f"Unsupported format: '{str(type_)[:100]}'.", "unsupported_value")
    named = {name: described.get(name) for name in ("name", "description", "schema", "strict")} if described else {}
    name, description, schema, strict = (named.get(each) for each in ("name", "description", "schema", "strict"))
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid(f"{at}.name", "The name must have 1 to 64 letters, digits, _ or -.")
    if not isinstance(description, str | None) or not isinstance(strict, bool | None):
        raise invalid(at, "The description must be a text, and strict true or false.")
    if not isinstance(schema, dict):
        raise invalid(f"{at}.schema", "The schema must be an object.")
    try:
        check_schema(schema)
    except ValueError as error:
        raise invalid(f"{at}.schema", f"The schema cannot be used: {error}.") from None
    whole = {"description": description, **schema} if description else schema
    return AnswerFormat(whole, {"type": type_, "name": name, "description": description, "strict": strict})


def check_model(model: str | None) -> None:
    """Raises `Problem` for a model that /v1/models does not list."""
    if model is not None and model != SLUG:
        title = f"The model '{model[:100]}' does not exist. This service has one: {SLUG}."
        raise Problem(404, "model-not-found", title, param="model")


def read_input(given: str | list[dict[str, Any]], param: str = "input") -> Input:
    """The messages and decisions of a list of items. Raises `Problem`."""
    if isinstance(given, str):
        return Input([ClientMessage("user", given)])
    found = Input()
    for index, item in enumerate(given):
        at = f"{param}[{index}]"
        type_ = item.get("type", "message")
        if type_ == "mcp_approval_response":
            found.decisions.append(_decision(item, at))
        elif type_ == "message":
            files = _files(item.get("content"), f"{at}.content", len(found.messages))
            if files and item.get("role") != "user":
                raise invalid(f"{at}.content", "Only messages of the user can have files.", "unsupported_value")
            found.files += files
            found.messages.append(read_message(item, at))
        elif type_ not in LEFT_OUT:
            raise invalid(f"{at}.type", f"Unsupported item: '{str(type_)[:100]}'.", "unsupported_value")
    return found


def read_message(item: dict[str, Any], at: str) -> ClientMessage:
    """A message of a list. Raises `Problem`."""
    role = item.get("role")
    for name in ("tool_calls", "function_call", "audio"):
        if item.get(name):
            raise unsupported(f"{at}.{name}")
    text = _text(item.get("content"), f"{at}.content")
    if role in SYSTEM:
        return ClientMessage("system", text)
    if role in ("user", "assistant"):
        return ClientMessage(role, text)
    raise invalid(f"{at}.role", "A role must be user, assistant, system or developer: tools run in the service.")


def _text(content: Any, at: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid(at, "The content must be a text or a list of texts.")
    texts = []
    for index, part in enumerate(content):
        type_ = part.get("type") if isinstance(part, dict) else None
        if type_ == "refusal" and isinstance(part.get("refusal"), str):
            texts.append(part["refusal"])
        elif type_ in TEXTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif type_ not in ATTACHED:
            raise invalid(f"{at}[{index}]", f"Unsupported content: '{str(type_)[:100]}'.", "unsupported_value")
    return "\n".join(texts)


def _files(content: Any, at: str, message: int) -> list[Attachment]:
    parts = content if isinstance(content, list) else []
    read = (
        read_attachment(part, f"{at}[{index}]", message) for index, part in enumerate(parts) if isinstance(part, dict)
    )
    return [file for file in read if file is not None]


def _decision(item: dict[str, Any], at: str) -> Decision:
    id_, approve, reason = item.get("approval_request_id"), item.get("approve"), item.get("reason")
    request = parse_item(id_) if isinstance(id_, str) else None
    if request is None or request.kind != "mcpr":
        raise invalid(f"{at}.approval_request_id", "There is no such request for approval.")
    if not isinstance(approve, bool):
        raise invalid(f"{at}.approve", "It must be true or false.")
    if reason is not None and (not isinstance(reason, str) or len(reason) > 2000):
        raise invalid(f"{at}.reason", "It must be a text of at most 2000 characters.")
    return Decision(request, approve, reason or None)


def read_messages(items: list[dict[str, Any]]) -> list[ClientMessage]:
    """The messages to add to a conversation. Raises `Problem`."""
    given = read_input(items, "items")
    if given.decisions or given.files or len(given.messages) < len(items):
        raise invalid("items", "Only messages with text can be added to a conversation.", "unsupported_value")
    return given.messages
