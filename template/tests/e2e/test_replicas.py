"""Limits hold over all replicas together (rules 6.1 and 13.1)."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx2

from tests.support.processes import Processes

REQUESTS = 500
LIMIT = 100


def test_of_500_requests_at_once_over_two_replicas_exactly_100_pass(processes: Processes, token: str) -> None:
    replicas = [processes.start("web", wait=False, RATE_LIMIT_PER_MINUTE=str(LIMIT)) for _ in range(2)]
    for replica in replicas:
        replica.wait_ready()
    urls = [f"{replica.url}/chat/sessions" for replica in replicas]
    responses = asyncio.run(at_once([urls[number % 2] for number in range(REQUESTS)], token))
    assert Counter(response.status_code for response in responses) == {200: LIMIT, 429: REQUESTS - LIMIT}
    passed = {response.url.port for response in responses if response.status_code == httpx2.codes.OK}
    assert passed == {replica.port for replica in replicas}


async def at_once(urls: list[str], token: str) -> list[httpx2.Response]:
    limits = httpx2.Limits(max_connections=len(urls))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60, limits=limits) as client:
        return await asyncio.gather(*(client.get(url) for url in urls))
