"""The settings: every one of them, in one schema (rules 3.1 and 10.1).

A value comes from, each layer over the one before: the default of the field, the defaults of the environment, `.env`,
the process environment, and files named like the setting in SECRETS_DIR (as container platforms mount secrets).
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from .agent.settings import AgentSettings
from .guard import GuardSettings
from .project import (
    DEFAULT_CONCURRENCY,
    DEVELOPMENT_DATABASE_URL,
    DEVELOPMENT_REDIS_URL,
    MODEL_PROVIDERS,
    NAME,
    SLUG,
    VERSION,
)

PLACEHOLDER = "CHANGE_ME"
SECRETS_DIR = "/run/secrets"
INSECURE_SECRET_KEY = "insecure-key-for-development-only"  # noqa: S105 - refused in staging and production
SECRET_KEY_LENGTH = 32
OFFLINE_MODEL = "offline"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"


_LOCAL: dict[str, Any] = {
    "DEBUG": True,
    "LOG_ERROR_MESSAGES": True,
    "DATABASE_POOL_SIZE": 2,
    "DOCS_ENABLED": True,
    "METRICS_PORT": 0,  # all processes run on one machine
    "SECRET_KEY": INSECURE_SECRET_KEY,
    "LLM_MODEL": OFFLINE_MODEL,
}
DEFAULTS: dict[Environment, dict[str, Any]] = {
    Environment.DEVELOPMENT: {
        **_LOCAL,
        "DATABASE_URL": DEVELOPMENT_DATABASE_URL,
        "REDIS_URL": DEVELOPMENT_REDIS_URL,
        "HOST": "127.0.0.1",
        "LOG_FORMAT": "console",
    },
    Environment.TESTING: _LOCAL,
    Environment.STAGING: {},
    Environment.PRODUCTION: {},
}
HARDENED = frozenset({Environment.STAGING, Environment.PRODUCTION})


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"{name!r} is no IANA time zone (such as Europe/Paris)")
    return name


TimeZone = Annotated[str, AfterValidator(_time_zone)]


def _scheme(*schemes: str) -> AfterValidator:
    def check(url: SecretStr | str) -> SecretStr | str:
        text = url.get_secret_value() if isinstance(url, SecretStr) else url
        if not text.startswith(schemes):
            raise ValueError(f"must start with {' or '.join(schemes)}")
        try:
            urlsplit(text).port  # noqa: B018 - only parsed when asked for
        except ValueError:
            raise ValueError("is no address: its port must be a number") from None
        return url

    return AfterValidator(check)


PostgresUrl = Annotated[SecretStr, _scheme("postgresql://", "postgres://")]
DatabaseRole = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,62}$")]
HttpUrl = Annotated[str, _scheme("http://", "https://")]
RedisUrl = Annotated[SecretStr, _scheme("redis://", "rediss://")]


class ConfigurationError(Exception):
    """The settings cannot be used. `problems` has a line for each reason, naming the variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _pairs(text: str | None) -> list[tuple[str, str]]:
    found = [pair.partition("=") for pair in (text or "").split(",") if pair.strip()]
    return [(name.strip(), value.strip()) for name, _, value in found]


class CoreSettings(BaseSettings):
    """What every process and every command needs."""

    model_config = SettingsConfigDict(
        case_sensitive=True, extra="ignore", env_ignore_empty=True, env_file=".env", env_file_encoding="utf-8"
    )

    ENVIRONMENT: Environment = Field(
        Environment.DEVELOPMENT,
        description="Chooses the defaults, and how strict start-up is. The container image sets it to production.",
    )
    APP_NAME: str = Field(NAME, description="The name that people see.")
    APP_VERSION: str = Field(VERSION, description="Told by /health and in every log line.")
    DEBUG: bool = Field(False, description="Tells the cause of an internal error in its answer. Refused in production.")
    REVISION: str | None = Field(None, description="The commit that was built, as the metric build_info tells it.")
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="The least level logged.")
    LOG_LEVELS: str | None = Field(
        None, description="The least level of single loggers: access=WARNING,psycopg.pool=DEBUG"
    )
    LOG_FORMAT: Literal["json", "console"] = Field("json", description="json: one object a line. console: for people.")
    LOG_ERROR_MESSAGES: bool = Field(
        False, description="Logs what errors within a request or job say, which may quote what people wrote."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers, the strongest first."""
        return (init_settings, *layers(settings_cls, env_settings, dotenv_settings).values())

    @field_validator("*", mode="before")
    @classmethod
    def _no_placeholder(cls, value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and PLACEHOLDER in text:
            raise ValueError(f"still holds the placeholder {PLACEHOLDER}")
        return value

    @field_validator("LOG_LEVELS")
    @classmethod
    def _logger_levels(cls, value: str | None) -> str | None:
        for name, level in _pairs(value):
            if not name or level not in LEVELS:
                raise ValueError(f"must be logger=LEVEL, separated by commas, with a level of {', '.join(LEVELS)}")
        return value

    @property
    def log_levels(self) -> dict[str, str]:
        """LOG_LEVELS as a mapping."""
        return dict(_pairs(self.LOG_LEVELS))

    @field_validator("DEBUG")
    @classmethod
    def _no_debug_in_production(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("ENVIRONMENT") in HARDENED:
            raise ValueError(f"must be false in {info.data['ENVIRONMENT']}")
        return value


class AdminSettings(CoreSettings):
    """What a migration needs: the database, and no other secret (rule 12.1)."""

    DATABASE_URL: PostgresUrl = Field(description="PostgreSQL: postgresql://user:password@host:5432/database")
    DATABASE_POOL_SIZE: int = Field(5, ge=1, description="Connections that each process keeps open.")
    DATABASE_POOL_MAX_OVERFLOW: int = Field(5, ge=0, description="Connections that each process may open beyond those.")
    DATABASE_APP_ROLE: DatabaseRole | None = Field(
        None,
        description="The role of the processes, where migrations run as another: `migrate` gives it what it needs, "
        "and no right to change the audit log.",
    )
    DATABASE_TIMEOUT_SECONDS: float = Field(
        5.0, gt=0, description="The longest wait for a connection, and for any one statement of a request."
    )


class Settings(AgentSettings, GuardSettings, AdminSettings):
    """Everything that web, worker and scheduler need."""

    HOST: str = Field("0.0.0.0", description="The address that the processes listen on.")  # noqa: S104 - rule 7.1
    PORT: int = Field(8000, ge=0, le=65535, description="The port that the web process listens on; 0 for any free one.")
    METRICS_PORT: int = Field(
        9000,
        ge=0,
        le=65535,
        description="Where worker and scheduler serve /health, /ready and /metrics; 0 for any free port.",
    )
    METRICS_TOKEN: SecretStr | None = Field(
        None, description="The bearer token that /metrics asks for. Without one it answers private addresses only."
    )
    SHUTDOWN_DELAY_SECONDS: float = Field(
        0.0, ge=0, description="How long /ready says 503 before the web process stops to accept connections."
    )
    SHUTDOWN_GRACE_SECONDS: float = Field(
        25.0, gt=0, description="How long a stopping process lets turns and requests finish before it releases them."
    )

    REDIS_URL: RedisUrl = Field(description="Valkey or Redis: redis://:password@host:6379/0")
    REDIS_TTL: int = Field(3600, ge=1, description="Seconds that a cache entry lives unless told otherwise.")
    REDIS_TIMEOUT_SECONDS: float = Field(2.0, gt=0, description="The longest wait for Valkey to connect or answer.")

    SECRET_KEY: SecretStr = Field(description="Signs tokens: 32 characters or more, at random.")
    JWT_ISSUER: str = Field(SLUG, description="The `iss` that a token must bear.")
    JWT_AUDIENCE: str = Field(SLUG, description="The `aud` that a token must bear.")
    JWT_LEEWAY_SECONDS: int = Field(
        30, ge=0, le=300, description="How far the clock of whoever issued a token may be from this one."
    )
    JWT_EXPIRE_MINUTES: int = Field(30, ge=1, description="How long an issued token is valid.")

    LLM_MODEL: str = Field(description="provider:model, or `offline` for the built-in model that needs no key.")
    LLM_API_KEY: SecretStr | None = Field(None, description="The provider's key.")
    LLM_BASE_URL: HttpUrl | None = Field(None, description="The provider's address, where it is not the SDK's own.")
    LLM_TEMPERATURE: float | None = Field(None, ge=0, le=2, description="Sent only when set: some models refuse it.")
    LLM_MAX_OUTPUT_TOKENS: int = Field(4096, ge=1, description="The most tokens of one response.")
    LLM_TIMEOUT_SECONDS: float = Field(60.0, gt=0, description="The longest wait for one response of the model.")
    LLM_MAX_RETRIES: int = Field(2, ge=0, description="How often the SDK repeats a request that failed on the way.")

    MESSAGE_MAX_CHARACTERS: int = Field(16_000, ge=1, description="The longest message accepted.")
    HISTORY_MAX_TURNS: int = Field(50, ge=1, description="How many earlier turns the model is shown.")
    TURN_MAX_STEPS: int = Field(12, ge=1, description="The most responses of the model in one turn.")
    TURN_MAX_TOKENS: int = Field(100_000, ge=1, description="The most tokens, in and out, that one turn may use.")
    TURN_TIMEOUT_SECONDS: float = Field(300.0, gt=0, description="The longest that one turn may run.")
    TURN_LEASE_SECONDS: float = Field(
        8.0, ge=1, description="How long after the death of its process a turn is taken up by another."
    )
    APPROVAL_TIMEOUT_SECONDS: float = Field(
        86_400.0, gt=0, description="How long a tool call waits for a person to approve it."
    )
    TOOL_TIMEOUT_SECONDS: float = Field(30.0, gt=0, description="The longest that one tool call may run.")
    TOOL_RESULT_MAX_CHARACTERS: int = Field(20_000, ge=100, description="A longer result of a tool is cut.")
    EVENTS_MAX_LENGTH: int = Field(10_000, ge=100, description="The most events kept of one turn.")
    EVENTS_TTL_SECONDS: int = Field(3600, ge=1, description="How long the events of a turn are kept.")

    WORKER_CONCURRENCY: int = Field(
        DEFAULT_CONCURRENCY, ge=1, description="How many tasks a worker process runs at a time."
    )
    SCHEDULE_TIME_ZONE: TimeZone = Field("UTC", description="The time zone of scheduled jobs and of the daily report.")
    RETENTION_DAYS: int = Field(90, ge=1, description="Sessions untouched for so many days are deleted.")

    @field_validator("SECRET_KEY")
    @classmethod
    def _good_key(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if len(value.get_secret_value()) < SECRET_KEY_LENGTH:
            raise ValueError(f"must have at least {SECRET_KEY_LENGTH} characters")
        if value.get_secret_value() == INSECURE_SECRET_KEY and info.data.get("ENVIRONMENT") in HARDENED:
            raise ValueError(f"is the key of development, which is public: set another in {info.data['ENVIRONMENT']}")
        return value

    @field_validator("LLM_MODEL")
    @classmethod
    def _known_provider(cls, value: str, info: ValidationInfo) -> str:
        provider, _, model = value.partition(":")
        if value == OFFLINE_MODEL:
            if info.data.get("ENVIRONMENT") in HARDENED:
                raise ValueError(f"must not be offline in {info.data['ENVIRONMENT']}")
        elif provider not in MODEL_PROVIDERS or not model:
            names = " or ".join(f"{name}:<model>" for name in MODEL_PROVIDERS)
            raise ValueError(f"must be {names}, or offline")
        return value

    @model_validator(mode="after")
    def _complete_model(self) -> Self:
        for name in MODEL_PROVIDERS.get(self.LLM_MODEL.partition(":")[0], ()):
            if getattr(self, name) is None:
                raise ValueError(f"{name}: required for LLM_MODEL={self.LLM_MODEL}")
        return self


def layers(
    settings_cls: type[BaseSettings],
    env_settings: PydanticBaseSettingsSource,
    dotenv_settings: PydanticBaseSettingsSource,
) -> dict[str, PydanticBaseSettingsSource]:
    """The sources of settings by their names for people, the strongest first."""
    found: dict[str, PydanticBaseSettingsSource] = {"environment": env_settings, ".env": dotenv_settings}
    directory = os.environ.get("SECRETS_DIR", SECRETS_DIR)
    if Path(directory).is_dir():
        files = SecretsSettingsSource(settings_cls, secrets_dir=directory, case_sensitive=True)
        found = {f"file in {directory}": files, **found}
    environment = next((name for layer in found.values() if (name := layer().get("ENVIRONMENT"))), "development")
    defaults = DEFAULTS[Environment(environment)] if environment in DEFAULTS else {}
    return {**found, f"default of {environment}": InitSettingsSource(settings_cls, defaults)}


AnySettings = TypeVar("AnySettings", bound=CoreSettings)


def load(settings_cls: type[AnySettings]) -> AnySettings:
    """Read and check the settings. Raises `ConfigurationError` with every problem at once."""
    try:
        return settings_cls()
    except SettingsError as error:  # a list or an object that is no JSON
        raise ConfigurationError([str(error)]) from None
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors(include_url=False, include_input=False)]
        raise ConfigurationError(problems) from None


def _problem(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{name}: required, and not set"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
