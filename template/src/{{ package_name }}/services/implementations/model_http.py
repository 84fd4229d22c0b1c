"""The HTTP client of the provider's SDK. Only the SDK retries, and never after a long wait."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import partial
from time import time
from typing import Any

import httpx2
from pydantic_ai.models import create_async_httpx2_client

LONGEST_WAIT_SECONDS = 5.0


def http_client(as_events: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> httpx2.AsyncClient:
    """A client whose connection attempts time out after five seconds; LLM_TIMEOUT_SECONDS bounds the rest.

    `as_events` converts a whole response into the equivalent events of a stream.
    """
    client = create_async_httpx2_client()
    client.event_hooks["response"] += [_refuse_long_wait, partial(_stream_json, as_events=as_events)]
    return client


async def _stream_json(response: httpx2.Response, as_events: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Convert the JSON of a service that does not stream into the requested stream."""
    if not response.is_success or not response.headers.get("content-type", "").startswith("application/json"):
        return
    sent = response.stream
    assert isinstance(sent, httpx2.AsyncByteStream)  # noqa: S101 - the client is asynchronous
    body = b"".join([part async for part in sent])
    await sent.aclose()
    whole = httpx2.Response(response.status_code, headers=response.headers, content=body)
    response.stream = httpx2.ByteStream("".join(map(_frame, as_events(whole.json()))).encode())
    response.headers["content-type"] = "text/event-stream"
    for name in ("content-encoding", "content-length"):
        response.headers.pop(name, None)


def _frame(event: dict[str, Any]) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


async def _refuse_long_wait(response: httpx2.Response) -> None:
    """Stop the SDK from retrying after a long wait: clients can wait for Retry-After without an open request."""
    headers = response.headers
    precise = _seconds(headers.get("retry-after-ms", "")) / 1000  # not standard, but preferred by the SDKs
    if max(precise, _seconds(headers.get("retry-after", ""))) > LONGEST_WAIT_SECONDS:
        response.headers["x-should-retry"] = "false"


def _seconds(value: str) -> float:
    """Seconds from either form of Retry-After (RFC 9110, section 10.2.3); 0 if missing or invalid."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).timestamp() - time()
    except ValueError:
        return 0.0
