"""Keeps server-sent events flowing to a client, however long a turn pauses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse

KEEPALIVE_SECONDS = 15.0


def event_stream(events: AsyncIterator[bytes], of_error: Callable[[Exception], bytes]) -> EventSourceResponse:
    """The encoded events as a response, with a comment in each pause, so that proxies keep the connection.

    An error ends the stream with the event `of_error`, since the status has been sent.
    """
    return EventSourceResponse(_with_keepalive(events, of_error), headers={"X-Accel-Buffering": "no"})


async def _with_keepalive(events: AsyncIterator[bytes], of_error: Callable[[Exception], bytes]) -> AsyncIterator[bytes]:
    upcoming: asyncio.Task[Any] = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=KEEPALIVE_SECONDS)
            if not done:
                yield KEEPALIVE_COMMENT
                continue
            event = upcoming.result()
            if event is None:
                return
            yield event
            upcoming = asyncio.ensure_future(anext(events, None))
    except Exception as error:  # noqa: BLE001 - the client learns of any error that breaks the stream
        yield of_error(error)
    finally:
        upcoming.cancel()
