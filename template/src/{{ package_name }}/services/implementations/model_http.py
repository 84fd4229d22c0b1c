"""The HTTP client that the provider's SDK speaks through: one retry layer, the SDK's, and no long wait in it."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING

from pydantic_ai.models import create_async_httpx2_client

if TYPE_CHECKING:
    import httpx2

LONGEST_WAIT_SECONDS = 5.0


def http_client() -> httpx2.AsyncClient:
    """A client that gives up connecting after five seconds; LLM_TIMEOUT_SECONDS bounds all the rest."""
    client = create_async_httpx2_client()
    client.event_hooks["response"].append(_refuse_long_wait)
    return client


async def _refuse_long_wait(response: httpx2.Response) -> None:
    """Have the SDK raise what it would sleep on for long: who is told Retry-After waits better than an open request."""
    told = response.headers
    precise = _seconds(told.get("retry-after-ms", "")) / 1000  # no standard, but what the SDKs look at first
    if max(precise, _seconds(told.get("retry-after", ""))) > LONGEST_WAIT_SECONDS:
        response.headers["x-should-retry"] = "false"


def _seconds(value: str) -> float:
    """Seconds, from either form of the header (RFC 9110, section 10.2.3); 0 when there is none that makes sense."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time()
    except ValueError:
        return 0.0
