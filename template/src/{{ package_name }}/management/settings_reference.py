"""The settings as people read them: their values and sources now, and the reference that docs/settings.md holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource

from ..agent.settings import AgentSettings
from ..config import DEFAULTS, AdminSettings, CoreSettings, Settings, layers
from ..constants import SLUG
from ..security_settings import SecuritySettings

MASK = "********"
NOT_SET = "(not set)"
COMPUTED = {"APP_VERSION": "the package's version"}  # a default that a release changes is told in words
SECTIONS: dict[str, tuple[type[BaseSettings], tuple[type[BaseSettings], ...]]] = {
    "Every process and every command": (CoreSettings, ()),
    "The database": (AdminSettings, (CoreSettings,)),
    "Web, worker and scheduler": (Settings, (AdminSettings, SecuritySettings, AgentSettings)),
    "Limits and access": (SecuritySettings, (BaseSettings,)),
    "The agent's own (`agent/settings.py`)": (AgentSettings, (BaseSettings,)),
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
TYPES = {"integer": "integer", "number": "number", "boolean": "`true` or `false`", "string": "text"}

# Whatever stands before the last @ may be part of a password, however badly the address is written.
_ADDRESS = re.compile(
    r"(?P<scheme>\w+://)((?P<user>[\w.+%-]*)(?P<password>:.*)?@)?"
    r"(?P<host>[\w.-]+|\[[\da-fA-F:]+\])(?P<port>:\d{1,5})?(?P<path>/[\w.-]*)?(?P<query>\?[^@]*)?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting, fit to be shown."""

    name: str
    value: str
    source: str


def effective() -> list[Shown]:
    """Every setting with the value it has now and the layer that gave it, valid or not; secrets are masked."""
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
    return Shown(name, masked(name, str(value)) if _is_secret(name, schema) else str(value), source)


def masked(name: str, secret: str) -> str:
    """`secret` in asterisks; of an address only what is secret in it, so that one sees where it leads."""
    address = _ADDRESS.fullmatch(secret) if name.endswith("_URL") else None
    if address is None:
        return MASK
    login = f"{address['user']}{':' + MASK if address['password'] else ''}@" if address["user"] is not None else ""
    place = f"{address['host']}{address['port'] or ''}{address['path'] or ''}"
    return f"{address['scheme']}{login}{place}{'?' + MASK if address['query'] else ''}"


def reference() -> str:
    """The reference in Markdown, made from the schema alone: the same wherever it is made."""
    schema = Settings.model_json_schema()
    return "\n".join([_INTRODUCTION, *_sections(schema)])


_INTRODUCTION = f"""\
# Settings

<!-- Made by `{SLUG} sync`: change the schema in config.py or agent/settings.py instead. -->

Each setting is an environment variable. Its value comes from the strongest of these that has it: a file of its name in
`SECRETS_DIR` (`/run/secrets`), the process environment, `.env`, the defaults of the `ENVIRONMENT`, its own default.
`{SLUG} config show` tells every value and where it comes from; `{SLUG} config check` tells what is wrong.
"""


def _sections(schema: dict[str, Any]) -> Iterator[str]:
    for title, (owner, others) in SECTIONS.items():
        inherited = {name for other in others for name in getattr(other, "model_fields", {})}
        yield f"## {title}\n"
        yield "| Setting | Value | Default | Meaning |\n|---|---|---|---|"
        for name, field in owner.model_fields.items():
            if name not in inherited:
                cells = (f"`{name}`", _values(name, schema), _defaults(name, field, schema), field.description or "")
                yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _values(name: str, schema: dict[str, Any]) -> str:
    return " or ".join(_kind(kind) for kind in _kinds(name, schema))


def _kind(kind: dict[str, Any]) -> str:
    if choices := kind.get("enum", [kind["const"]] if "const" in kind else []):
        return ", ".join(f"`{choice}`" for choice in choices)
    if kind.get("format") == "password":
        return f"secret of {kind['minLength']} characters or more" if "minLength" in kind else "secret"
    bounds = [f"{sign} {kind[bound]:.15g}" for bound, sign in BOUNDS.items() if bound in kind]
    return f"{TYPES.get(kind.get('type', ''), 'JSON')} {' and '.join(bounds)}".strip()


def _defaults(name: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    def shown(value: Any) -> str:
        if value is None or value == "":
            return "none"
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return f"`{masked(name, text) if _is_secret(name, schema) else text}`"

    own = "**required**" if field.is_required() else shown(field.get_default(call_default_factory=True))
    of_environments = [f"{env}: {shown(defaults[name])}" for env, defaults in DEFAULTS.items() if name in defaults]
    return "; ".join([COMPUTED.get(name, own), *of_environments])


def _is_secret(name: str, schema: dict[str, Any]) -> bool:
    return any(kind.get("format") == "password" for kind in _kinds(name, schema))


def _kinds(name: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be, but for null."""
    own: dict[str, Any] = schema["properties"][name]
    kinds = [kind for kind in own.get("anyOf", [own]) if kind.get("type") != "null"]
    return [schema["$defs"][kind["$ref"].rpartition("/")[2]] if "$ref" in kind else kind for kind in kinds]
