"""Settings of the language model, and of the models that replace it while it fails (rule 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from .constants import MODEL_PROVIDERS
from .setting_types import HttpUrl, listed

OFFLINE_MODEL = "offline"


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """One model: `name` is provider:model or `offline`, and `setting` is the variable that names it."""

    name: str
    setting: str
    api_key: SecretStr | None
    base_url: str | None

    @property
    def provider(self) -> str:
        return self.name.partition(":")[0]


class ModelSettings(BaseSettings):
    LLM_MODEL: str = Field(description="provider:model, or `offline` for the built-in model that needs no key.")
    LLM_API_KEY: SecretStr | None = Field(None, description="The provider's key.")
    LLM_BASE_URL: HttpUrl | None = Field(None, description="The provider's URL, if not the SDK's default.")
    LLM_FALLBACK_MODELS: str = Field(
        "",
        description="Models, separated by commas, that are asked in this order while the one before is overloaded, too "
        "slow or unavailable; each is provider:model.",
    )
    LLM_FALLBACK_API_KEY: SecretStr | None = Field(
        None, description="The key for fallback models of another provider, or at LLM_FALLBACK_BASE_URL."
    )
    LLM_FALLBACK_BASE_URL: HttpUrl | None = Field(
        None, description="The URL of all fallback models, if not that of LLM_MODEL or the SDK's default."
    )
    LLM_TEMPERATURE: float | None = Field(None, ge=0, le=2, description="Sent only if set: some models reject it.")
    LLM_MAX_OUTPUT_TOKENS: int = Field(4096, ge=1, description="Maximum tokens of one response.")
    LLM_TIMEOUT_SECONDS: float = Field(
        60.0, gt=0, description="Maximum duration of one response of the model, and of each fallback model."
    )
    LLM_OUTPUT_RETRIES: int = Field(
        2, ge=0, le=10, description="How often a turn asks again when an answer does not fit the requested JSON Schema."
    )
    LLM_MAX_RETRIES: int = Field(2, ge=0, description="How often the SDK repeats a request that failed in transit.")

    @field_validator("LLM_MODEL")
    @classmethod
    def _known_provider(cls, value: str) -> str:
        if value != OFFLINE_MODEL and not _is_known(value):
            raise ValueError(f"must be {_known_names()}, or offline")
        return value

    @field_validator("LLM_FALLBACK_MODELS")
    @classmethod
    def _known_providers(cls, value: str) -> str:
        names = listed(value)
        for place, name in enumerate(names):
            if not _is_known(name):
                raise ValueError(f"each must be {_known_names()}, which {name!r} is not")
            if name in names[:place]:
                raise ValueError(f"names {name} twice")
        return value

    @model_validator(mode="after")
    def _complete_models(self) -> Self:
        model, *others = endpoints = self.models
        if model.name == OFFLINE_MODEL and others:
            raise ValueError("LLM_FALLBACK_MODELS: LLM_MODEL=offline never fails, so it has no fallback")
        own = self.LLM_FALLBACK_BASE_URL is not None
        for endpoint in endpoints:
            if endpoint is not model and endpoint.name == model.name and not own:
                raise ValueError(f"LLM_FALLBACK_MODELS: {model.name} is LLM_MODEL itself")
            for name in MODEL_PROVIDERS.get(endpoint.provider, ()):
                if (endpoint.api_key if name == "LLM_API_KEY" else endpoint.base_url) is None:
                    is_other = endpoint is not model and (own or endpoint.provider != model.provider)
                    missing = name.replace("LLM_", "LLM_FALLBACK_") if is_other else name
                    raise ValueError(f"{missing}: required for {endpoint.setting}={endpoint.name}")
        return self

    @property
    def models(self) -> tuple[ModelEndpoint, ...]:
        """LLM_MODEL and LLM_FALLBACK_MODELS, in the order in which they are asked.

        No key goes to another provider, or to another address, than those it was set for.
        """
        model = ModelEndpoint(self.LLM_MODEL, "LLM_MODEL", self.LLM_API_KEY, self.LLM_BASE_URL)
        return (model, *(self._fallback(name, model) for name in listed(self.LLM_FALLBACK_MODELS)))

    def _fallback(self, name: str, model: ModelEndpoint) -> ModelEndpoint:
        key, url = self.LLM_FALLBACK_API_KEY, self.LLM_FALLBACK_BASE_URL
        if name.partition(":")[0] == model.provider and url is None:
            key, url = key or model.api_key, model.base_url
        return ModelEndpoint(name, "LLM_FALLBACK_MODELS", key, url)


def _is_known(name: str) -> bool:
    provider, _, model = name.partition(":")
    return provider in MODEL_PROVIDERS and bool(model)


def _known_names() -> str:
    return " or ".join(f"{name}:<model>" for name in MODEL_PROVIDERS)
