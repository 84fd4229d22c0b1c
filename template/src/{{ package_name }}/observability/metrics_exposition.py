"""Who may read the metrics: callers with METRICS_TOKEN or, if none is set and METRICS_OPEN is, private addresses."""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException, Request, Response

from .metrics import CONTENT_TYPE, exposition, record_pool_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Settings

router = APIRouter(tags=["health"])

# What a proxy adds: the caller is somewhere else than the connection comes from.
FORWARDED = frozenset({"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"})


def may_scrape(settings: Settings, client: str | None, headers: Mapping[str, str]) -> bool:
    """Whether a request from the address `client`, with these headers (names in lower case), may read the metrics."""
    if settings.METRICS_TOKEN is not None:
        expected = f"Bearer {settings.METRICS_TOKEN.get_secret_value()}"
        return hmac.compare_digest(headers.get("authorization", "").encode(), expected.encode())
    if not settings.METRICS_OPEN or client is None or not FORWARDED.isdisjoint(headers):
        return False
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return not (mapped or address).is_global  # nor are 100.64.0.0/10, the pods of some clusters (RFC 6598)


@router.get(
    "/metrics",
    response_class=Response,
    response_description="Every metric of the process.",
    responses={200: {"content": {CONTENT_TYPE.partition(";")[0]: {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """The metrics of this process, in the text format of Prometheus."""
    settings: Settings = request.app.state.settings
    admitted = request.scope["may_scrape"]  # by a token or key with the scope `metrics`
    if not admitted and not may_scrape(settings, request.client.host if request.client else None, request.headers):
        if (reason := request.scope["refused"]) is not None:
            request.app.state.failed_logins.note(reason)
        raise HTTPException(403, "Send METRICS_TOKEN, or set METRICS_OPEN=true for private addresses.")
    record_pool_usage(request.app.state.services.database)
    return Response(exposition(), media_type=CONTENT_TYPE)
