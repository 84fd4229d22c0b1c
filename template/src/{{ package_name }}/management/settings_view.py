"""The settings with their current values and sources, fit to be printed: secrets are masked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from ..config import Settings, layers

MASK = "********"
NOT_SET = "(not set)"

# Anything before the last @ may be part of a password, however malformed the address is.
_ADDRESS = re.compile(
    r"(?P<scheme>\w+://)((?P<user>[\w.+%-]*)(?P<password>:.*)?@)?"
    r"(?P<host>[\w.-]+|\[[\da-fA-F:]+\])(?P<port>:\d{1,5})?(?P<path>/[\w.-]*)?(?P<query>\?[^@]*)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting with its printable value and the layer that provided it."""

    name: str
    value: str
    source: str


def effective() -> list[Shown]:
    """Return every setting with its current value, valid or not, and the layer that provided it."""
    schema = Settings.model_json_schema()
    sources = layers(Settings, EnvSettingsSource(Settings), DotEnvSettingsSource(Settings))
    values = {source: layer() for source, layer in sources.items()}
    return [_shown(name, field, values, schema) for name, field in Settings.model_fields.items()]


def _shown(name: str, field: FieldInfo, values: dict[str, dict[str, Any]], schema: dict[str, Any]) -> Shown:
    source = next((source for source, found in values.items() if name in found), "default")
    if source == "default" and field.is_required():
        return Shown(name, NOT_SET, "none")
    value = field.get_default(call_default_factory=True) if source == "default" else values[source][name]
    if value is None or value == "":
        return Shown(name, NOT_SET, source)
    return Shown(name, masked(name, str(value)) if is_secret(name, schema) else str(value), source)


def masked(name: str, secret: str) -> str:
    """Replace `secret` with asterisks; keep the host and path of an address, so that one sees where it points."""
    address = _ADDRESS.fullmatch(secret) if name.endswith("_URL") else None
    if address is None:
        return MASK
    login = f"{address['user']}{':' + MASK if address['password'] else ''}@" if address["user"] is not None else ""
    place = f"{address['host']}{address['port'] or ''}{address['path'] or ''}"
    return f"{address['scheme']}{login}{place}{'?' + MASK if address['query'] else ''}"


def is_secret(name: str, schema: dict[str, Any]) -> bool:
    return any(kind.get("format") == "password" for kind in kinds(name, schema))


def kinds(name: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON schemas of a setting's possible types, without null."""
    own: dict[str, Any] = schema["properties"][name]
    kinds = [kind for kind in own.get("anyOf", [own]) if kind.get("type") != "null"]
    return [schema["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind for kind in kinds]
