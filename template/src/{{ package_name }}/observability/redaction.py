"""Removes secrets, tokens and contents of conversations from log lines (rule 11.1).

Contents are recognized by the name of their field. Secrets are searched in the whole line: any message may quote them.
"""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from pydantic import SecretStr

from ..setting_types import password

if TYPE_CHECKING:
    from types import TracebackType

    from ..config import CoreSettings

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

MASK = "[redacted]"
WITHHELD = "[withheld]"
SHORTEST = 6  # characters: shorter secrets protect nothing, and occur in ordinary words

SECRET_FIELD = re.compile(
    r"(?:^|[_-])(?:authorization|cookie|credentials?|pass(?:word|wd|phrase)?|secret|token|api[_-]?key)$", re.IGNORECASE
)
# Fields of this code and of the task queues that hold contents.
CONTENT_FIELD = re.compile(
    r"text|contents?|prompts?|messages|instructions|arguments|results?|(?:request_)?body|(?:task_)?k?wargs|args|call_string",
    re.IGNORECASE,
)
# One of these is in every match of _TOKENS, and is faster to find.
_SIGNS = ("Bearer", "Basic", "eyJ", "sk-", "pk-", "rk-", "://")
_TOKENS = (
    r"(?P<keep>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}",
    r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*",  # a JWT
    r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,}",  # keys of models' providers and others
    r"(?<=://)[^\s/@\"'\\]*:[^\s/@\"'\\]+(?=@)",  # user and password in an address
)


class Redactor:
    """Masks the secrets of these settings, and whatever looks like a token."""

    def __init__(self, settings: CoreSettings) -> None:
        known = {form for secret in _secrets(settings) for form in _forms(secret) if len(form) >= SHORTEST}
        self._known = sorted(known, key=len, reverse=True)
        self._tokens = re.compile("|".join(_TOKENS))

    def __call__(self, line: str) -> str:
        for secret in self._known:
            if secret in line:
                line = line.replace(secret, MASK)
        if any(sign in line for sign in _SIGNS):
            line = self._tokens.sub(lambda found: (found["keep"] or "") + MASK, line)
        return line


def _secrets(settings: CoreSettings) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name, None)
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
            if "://" in value.get_secret_value():
                yield password(value.get_secret_value())


def _forms(secret: str) -> set[str]:
    """The secret as it is and percent-encoded, and both escaped for JSON."""
    plain = {secret, unquote(secret), quote(secret, safe="")}
    return {*plain, *(json.dumps(form, ensure_ascii=False)[1:-1] for form in plain)}


def withhold(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with contents and secrets replaced according to their names."""
    return {
        name: _instead_of(name) or (withhold(value) if isinstance(value, dict) else value)
        for name, value in fields.items()
    }


@lru_cache(maxsize=1024)
def _instead_of(name: str) -> str | None:
    """The replacement for the value of a field; `None` to keep the value."""
    if SECRET_FIELD.search(name):
        return MASK
    return WITHHELD if CONTENT_FIELD.fullmatch(name) else None


def frames(error: BaseException) -> str:
    """The traceback with the types of the errors, but without their messages, which may quote contents."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        cause, context = current.__cause__, None if current.__suppress_context__ else current.__context__
        name = f"{type(current).__module__}.{type(current).__qualname__}".removeprefix("builtins.")
        inner = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        within = "".join(f"within a group:\n{frames(each)}\n" for each in inner)
        lines.append("".join(traceback.format_tb(current.__traceback__)) + f"{name}\n{within}")
        current = cause or context
    return "caused\n".join(["", *reversed(lines)]).removeprefix("caused\n").rstrip()
