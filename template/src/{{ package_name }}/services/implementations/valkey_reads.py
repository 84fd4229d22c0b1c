"""Reads the event streams that readers of this process wait for in one request to Valkey."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from redis.exceptions import RedisError

from ..batching import Batcher

if TYPE_CHECKING:
    from redis.asyncio import Redis

Entry = tuple[str, dict[str, str]]  # its id and its fields
Reader = tuple[asyncio.Future[list[Entry]], str]  # it waits for entries after that id

PAUSE_SECONDS: Final = 0.005  # between two requests, so that busy streams share them
KEEP_SECONDS: Final = 3.0  # a stream without readers is forgotten then: they come back after each wait
BELL_SECONDS: Final = 60


@dataclass(slots=True)
class _Watched:
    """A stream that the shared request reads. `after` is the last id that it has seen there."""

    after: str
    readers: list[Reader] = field(default_factory=list)
    left_at: float = 0.0


class SharedReads:
    """Waits for entries of any number of streams on one connection.

    The request blocks, and must restart to include a stream that a reader begins to wait for. So it also reads a stream
    of this process, the bell, to which such a reader adds an entry.
    """

    def __init__(self, client: Redis, block_seconds: float) -> None:
        self._client = client
        self._block = max(1, round(block_seconds * 1000))
        self._now = Batcher(self._read_now)
        self._watched: dict[str, _Watched] = {}
        self._bell = f"turn:bell:{uuid4().hex}"
        self._heard = "0"
        self._ringing: set[asyncio.Task[None]] = set()
        self._blocked = False  # the request may be waiting, and the bell has not been rung since
        self._reading: asyncio.Task[None] | None = None

    async def read(self, stream: str, after: str, seconds: float) -> list[Entry]:
        """Entries after the id `after`, waiting up to `seconds` for the first. Raises `RedisError`."""
        watched = self._watched.get(stream)
        if watched is None or _order(watched.after) > _order(after):
            if found := await self._now.call((stream, after)):
                return found
            watched = self._watched.setdefault(stream, _Watched(after))
            # Entries that the shared request saw since are read again; those before `after` are skipped.
            watched.after = min(watched.after, after, key=_order)
            self._ring()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Entry]] = loop.create_future()
        timer = loop.call_later(seconds, _deliver, future, [])
        reader = future, after
        watched.readers.append(reader)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_all())
        try:
            return await future
        finally:
            timer.cancel()
            watched.left_at = loop.time()
            with suppress(ValueError):
                watched.readers.remove(reader)

    async def close(self) -> None:
        """Stop waiting; readers get nothing."""
        tasks = self._ringing | ({self._reading} if self._reading is not None else set())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._now.close()
        for watched in self._watched.values():
            for future, _ in watched.readers:
                _deliver(future, [])
        self._watched.clear()

    async def _read_now(self, asked: list[tuple[str, str]]) -> list[list[Entry]]:
        """The present entries of each stream after an id."""
        pipeline = self._client.pipeline(transaction=False)
        for stream, after in asked:
            pipeline.xread({stream: after})
        return [_entries(found).popitem()[1] if found else [] for found in await pipeline.execute()]

    async def _read_all(self) -> None:
        """Read all watched streams until no reader waits."""
        try:
            while self._keep_watched():
                positions: dict[Any, Any] = {stream: watched.after for stream, watched in self._watched.items()}
                self._blocked = True
                found = await self._client.xread({**positions, self._bell: self._heard}, block=self._block)
                self._blocked = False
                for stream, entries in _entries(found).items():
                    if stream == self._bell:
                        self._heard = entries[-1][0]
                    elif stream in self._watched:
                        self._pass_on(self._watched[stream], entries)
                await asyncio.sleep(PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - each reader raises it
            for watched in self._watched.values():
                for future, _ in watched.readers:
                    if not future.done():
                        future.set_exception(error)
            self._watched.clear()
        finally:
            self._blocked = False

    def _keep_watched(self) -> bool:
        """Forget the streams without readers; return whether any is left."""
        limit = asyncio.get_running_loop().time() - KEEP_SECONDS
        self._watched = {
            stream: watched for stream, watched in self._watched.items() if watched.readers or watched.left_at > limit
        }
        return bool(self._watched)

    def _pass_on(self, watched: _Watched, entries: list[Entry]) -> None:
        watched.after = entries[-1][0]
        for future, after in watched.readers:
            if new := [entry for entry in entries if _order(entry[0]) > _order(after)]:
                _deliver(future, new)

    def _ring(self) -> None:
        """Make the blocked request return."""
        if self._blocked:
            self._blocked = False
            ringing = asyncio.create_task(self._add_to_bell())
            self._ringing.add(ringing)
            ringing.add_done_callback(self._ringing.discard)

    async def _add_to_bell(self) -> None:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xadd(self._bell, {"": ""}, maxlen=1)
        pipeline.expire(self._bell, BELL_SECONDS)
        with suppress(RedisError):  # the shared request fails as well, or returns when its time is over
            await pipeline.execute()


def _deliver(future: asyncio.Future[list[Entry]], entries: list[Entry]) -> None:
    if not future.done():
        future.set_result(entries)


def _entries(found: Any) -> dict[str, list[Entry]]:
    return {stream: list(entries) for stream, entries in found or ()}


def _order(id_: str) -> tuple[int, int]:
    milliseconds, _, sequence = id_.partition("-")
    return int(milliseconds), int(sequence or 0)
