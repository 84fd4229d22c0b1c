"""Security settings: limits, trusted proxies and what the web process exposes (rule 13.1)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from .setting_types import listed


def _networks(text: str) -> str:
    for part in listed(text):
        try:
            ip_network(part)
        except ValueError:
            raise ValueError(f"{part!r} is not an address or network (such as 10.0.0.0/8)") from None
    return text


def _origins(text: str) -> str:
    for part in listed(text):
        if not part.startswith(("http://", "https://")) or part.count("/") != 2:
            raise ValueError(f"{part!r} is not an origin (such as https://app.example.com)")
    return text


Networks = Annotated[str, AfterValidator(_networks)]
Origins = Annotated[str, AfterValidator(_origins)]


class SecuritySettings(BaseSettings):
    """Every default keeps the service closed."""

    RATE_LIMIT_PER_MINUTE: int = Field(
        100,
        ge=0,
        description="Maximum requests per user or API key in any 60 seconds, or per address without valid credentials; "
        "0 disables the limit.",
    )
    RATE_LIMIT_WITHOUT_VALKEY: Literal["open", "closed"] = Field(
        "open", description="While Valkey is down: `open` admits every request, `closed` answers 503."
    )
    TRUSTED_PROXIES: Networks = Field(
        "",
        description="Addresses or networks, separated by commas, of the proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are trusted.",
    )
    REQUEST_MAX_BYTES: int = Field(1_048_576, ge=1024, description="Maximum size of a request body.")
    REQUEST_MAX_HEADER_BYTES: int = Field(
        16_384, ge=1024, description="Maximum size of the request line and headers together."
    )
    REQUEST_TIMEOUT_SECONDS: float = Field(
        30.0,
        gt=0,
        description="Time for the headers of a request to arrive, and then for its body; then it gets 408.",
    )
    JSON_MAX_DEPTH: int = Field(32, ge=2, description="Maximum nesting of the JSON in a request.")
    DOCS_ENABLED: bool = Field(False, description="Serves the API description at /docs and /openapi.json.")
    CORS_ORIGINS: Origins = Field(
        "", description="Origins, separated by commas, whose pages may call the API from a browser; empty allows none."
    )
    HSTS_SECONDS: int = Field(
        31_536_000,
        ge=0,
        description="How long browsers that connected by TLS must keep using it; 0 sends no such header.",
    )
    BUDGET_TOKENS_PER_DAY: int = Field(
        2_000_000, ge=0, description="Maximum tokens, input and output, per owner and day (UTC); 0 disables the limit."
    )
    BUDGET_USD_PER_DAY: float = Field(
        20.0, ge=0, description="Maximum cost per owner and day, where prices are known; 0 disables the limit."
    )
    TURN_MAX_USD: float = Field(
        2.0, ge=0, description="Maximum cost per turn, where prices are known; 0 disables the limit."
    )
    TOOL_HTTP_ALLOWED_NETWORKS: Networks = Field(
        "",
        description="Addresses or networks, separated by commas, that tools may reach although they are not public.",
    )
    TOOL_HTTP_MAX_BYTES: int = Field(5_000_000, ge=1024, description="Maximum size of a response that a tool may read.")
    AUDIT_RETENTION_DAYS: int = Field(365, ge=30, description="Days that entries of the audit log are kept.")
