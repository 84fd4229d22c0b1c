"""The metrics of a process in the text format of Prometheus. `security/metrics_access.py` decides who may read them."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client import REGISTRY, generate_latest

router = APIRouter(tags=["health"])


def exposition() -> bytes:
    """All metrics of this process."""
    return generate_latest(REGISTRY)


@router.get(
    "/metrics",
    response_class=Response,
    response_description="Every metric of the process.",
    responses={200: {"content": {CONTENT_TYPE.partition(";")[0]: {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request) -> Response:
    """The metrics of this process, in the text format of Prometheus."""
    health = request.app.state.health
    if not await health.allows_metrics(request.client.host if request.client else None, request.headers):
        raise HTTPException(403, "Send METRICS_TOKEN, or set METRICS_OPEN=true for private addresses.")
    return Response(await health.exposition(), media_type=CONTENT_TYPE)
