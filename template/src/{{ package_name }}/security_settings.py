"""The settings of what guards the service (rule 13.1): limits, and what the web process gives away of itself."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings


def _networks(text: str) -> str:
    for part in listed(text):
        try:
            ip_network(part)
        except ValueError:
            raise ValueError(f"{part!r} is no address or network (such as 10.0.0.0/8)") from None
    return text


def _origins(text: str) -> str:
    for part in listed(text):
        if not part.startswith(("http://", "https://")) or part.count("/") != 2:
            raise ValueError(f"{part!r} is no origin (such as https://app.example.com)")
    return text


def listed(text: str) -> list[str]:
    """The parts of a setting that holds several, separated by commas."""
    return [part for item in text.split(",") if (part := item.strip())]


Networks = Annotated[str, AfterValidator(_networks)]
Origins = Annotated[str, AfterValidator(_origins)]


class SecuritySettings(BaseSettings):
    """Each has a default under which the service is closed to what nobody has asked for."""

    RATE_LIMIT_PER_MINUTE: int = Field(
        100,
        ge=0,
        description="The most requests in any 60 seconds of one user or key, or, without valid credentials, of one "
        "address; 0 for no limit.",
    )
    RATE_LIMIT_WITHOUT_VALKEY: Literal["open", "closed"] = Field(
        "open", description="While Valkey is down: open lets every request pass, closed answers 503."
    )
    TRUSTED_PROXIES: Networks = Field(
        "",
        description="Addresses or networks, separated by commas, of the proxies whose X-Forwarded-For and "
        "X-Forwarded-Proto are believed.",
    )
    REQUEST_MAX_BYTES: int = Field(1_048_576, ge=1024, description="The largest request body accepted.")
    REQUEST_MAX_HEADER_BYTES: int = Field(
        16_384, ge=1024, description="The most that the address and the headers of a request may take together."
    )
    REQUEST_TIMEOUT_SECONDS: float = Field(
        30.0,
        gt=0,
        description="How long the headers of a request may take to arrive, and then its body; after that it gets 408.",
    )
    JSON_MAX_DEPTH: int = Field(32, ge=2, description="How deep the JSON of a request may be nested.")
    DOCS_ENABLED: bool = Field(False, description="Serves the description of the API at /docs and /openapi.json.")
    CORS_ORIGINS: Origins = Field(
        "", description="Origins, separated by commas, whose pages may call the API from a browser; none when empty."
    )
    HSTS_SECONDS: int = Field(
        31_536_000,
        ge=0,
        description="How long a browser that came by TLS is told to keep to it; 0 to say nothing.",
    )
    BUDGET_TOKENS_PER_DAY: int = Field(
        2_000_000, ge=0, description="The most tokens, in and out, that one owner may use in a day (UTC); 0: no limit."
    )
    BUDGET_USD_PER_DAY: float = Field(
        20.0, ge=0, description="The most that one owner may cost in a day, where prices are known; 0: no limit."
    )
    TURN_MAX_USD: float = Field(
        2.0, ge=0, description="The most that one turn may cost, where prices are known; 0: no limit."
    )
    TOOL_HTTP_ALLOWED_NETWORKS: Networks = Field(
        "",
        description="Addresses or networks, separated by commas, that tools may reach although they are not public.",
    )
    TOOL_HTTP_MAX_BYTES: int = Field(5_000_000, ge=1024, description="The longest response that a tool may be given.")
    AUDIT_RETENTION_DAYS: int = Field(365, ge=30, description="Entries of the audit log are kept for so many days.")
