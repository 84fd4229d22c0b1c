"""Settings of MCP servers, whose tools the agent offers beside its own (rules 3.1 and 13.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings

from .setting_types import HttpUrl

NAME_PATTERN = r"^[a-z][a-z0-9]{0,23}$"  # part of the names of tools, which providers limit to 64 characters
ALL = ("*",)

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_NAME = re.compile(r"authorization|cookie|key|passw|secret|token", re.IGNORECASE)

ServerName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Pattern = Annotated[str, StringConstraints(min_length=1)]


class McpServer(BaseModel):
    """A server at `url`, or one that each process starts by `command`. The patterns are those of the shell.

    Only tools that match a pattern in `tools` are offered. A call of one that matches a pattern in `approve` waits for
    a person. `timeout` is in seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: HttpUrl | None = None
    headers: Mapping[str, str] = {}
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    tools: tuple[Pattern, ...]
    approve: tuple[Pattern, ...] = ALL
    timeout: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_transport(self) -> Self:
        if bool(self.url) == bool(self.command):
            raise ValueError("needs either url or command")
        if self.headers and not self.url:
            raise ValueError("headers need a url")
        if self.env and not self.command:
            raise ValueError("env needs a command")
        if self.url and "@" in urlsplit(self.url).netloc:
            raise ValueError("credentials belong into headers, not into the url")
        for name, value in {**self.headers, **self.env}.items():
            if _SECRET_NAME.search(name) and value and not _REFERENCE.search(value):
                raise ValueError(f"write {name} as ${{NAME}}, and put NAME into MCP_SECRETS")
        return self

    def with_secrets(self, secrets: Mapping[str, str]) -> McpServer:
        """This server, with the values of the secrets that its headers and variables name."""

        def inserted(values: Mapping[str, str]) -> dict[str, str]:
            return {name: _REFERENCE.sub(lambda found: secrets[found[1]], text) for name, text in values.items()}

        return self.model_copy(update={"headers": inserted(self.headers), "env": inserted(self.env)})

    @property
    def secret_names(self) -> set[str]:
        """The secrets that its headers and variables name."""
        values = [*self.headers.values(), *self.env.values()]
        return {name for value in values for name in _REFERENCE.findall(value)}


T = TypeVar("T")

_SERVERS = TypeAdapter(dict[ServerName, McpServer])
_SECRETS = TypeAdapter(dict[str, str])


class McpSettings(BaseSettings):
    MCP_SERVERS: str = Field(
        "",
        description="MCP servers whose tools the agent offers, as a JSON object by name: see docs/mcp.md.",
    )
    MCP_SECRETS: SecretStr | None = Field(
        None, description="Values for each `${NAME}` in MCP_SERVERS, as a JSON object by name."
    )

    @field_validator("MCP_SERVERS")
    @classmethod
    def _valid_servers(cls, value: str) -> str:
        _parsed(_SERVERS, value)
        return value

    @field_validator("MCP_SECRETS")
    @classmethod
    def _valid_secrets(cls, value: SecretStr | None) -> SecretStr | None:
        _parsed(_SECRETS, value.get_secret_value() if value else "")
        return value

    @model_validator(mode="after")
    def _known_secrets(self) -> Self:
        secrets = self._secrets()
        for name, server in _parsed(_SERVERS, self.MCP_SERVERS).items():
            if missing := sorted(server.secret_names - secrets.keys()):
                raise ValueError(f"MCP_SECRETS: {missing[0]} is missing, which the server {name} of MCP_SERVERS needs")
        return self

    def _secrets(self) -> dict[str, str]:
        return _parsed(_SECRETS, self.MCP_SECRETS.get_secret_value() if self.MCP_SECRETS else "")

    @property
    def mcp_servers(self) -> dict[str, McpServer]:
        """The servers by name, with their secrets."""
        secrets = self._secrets()
        return {name: server.with_secrets(secrets) for name, server in _parsed(_SERVERS, self.MCP_SERVERS).items()}


def _parsed(adapter: TypeAdapter[T], text: str) -> T:
    """The JSON object in `text`, empty if there is none. The error does not quote it."""
    try:
        return adapter.validate_json(text or "{}")
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in detail["loc"] if part != "[key]")
        message = detail["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}: {message}" if place else f"must be a JSON object ({message})") from None
