"""Batches calls to a backing service into one round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Batcher(Generic[Argument, Result]):
    """Sends the calls that arrive while a round trip is under way together in the next one.

    A burst of requests therefore needs one connection, and no call waits for more than two round trips.
    """

    def __init__(self, send: Callable[[list[Argument]], Awaitable[Sequence[Result]]]) -> None:
        self._send = send
        self._waiting: list[tuple[Argument, asyncio.Future[Result]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def call(self, argument: Argument) -> Result:
        """The result for `argument`. Raises what `send` raises."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, future))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())
        return await future

    async def close(self) -> None:
        """Cancel the round trip under way, and the calls that wait."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait({self._sending})

    async def _send_all(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                results = await self._send([argument for argument, _ in waiting])
            except asyncio.CancelledError:
                for _, future in [*waiting, *self._waiting]:
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - each caller raises it
                for _, future in waiting:
                    if not future.done():  # else its caller was cancelled
                        future.set_exception(error)
            else:
                for (_, future), result in zip(waiting, results, strict=True):
                    if not future.done():
                        future.set_result(result)
