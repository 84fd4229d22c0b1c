"""Cache, event streams and rate limits on Valkey (or Redis), through redis-py."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError

from ..batching import Gathering
from ..interfaces import Event, Quota, ServiceUnavailable, ServiceUnusable
from .valkey_faults import denied, fault, is_denied

if TYPE_CHECKING:
    from ...config import Settings

UNLIMITED = 2**31
LAST_ID = f"{2**63}-0"
OPEN_SECONDS = 1.0
PROBE_SECONDS = 60
REMOVED_SECONDS = 60  # by then, whoever still ran the turn has found that it is gone


# The times of the last hits, the oldest first, never more than the limit. Times are Valkey's own, in microseconds, so
# that all processes go by one clock.
_HIT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = redis.call('LINDEX', KEYS[1], 0)
while oldest and now - oldest >= window do
    redis.call('LPOP', KEYS[1])
    oldest = redis.call('LINDEX', KEYS[1], 0)
end
local used = redis.call('LLEN', KEYS[1])
if used >= limit then
    local frees = redis.call('LINDEX', KEYS[1], used - limit)
    return {0, 0, window - (now - frees)}
end
redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return {1, limit - used - 1, window - (now - (oldest or now))}
"""
_HIT_SHA = hashlib.sha1(_HIT.encode(), usedforsecurity=False).hexdigest()


class ValkeyService:
    """What has a client of Valkey. The service is `service` in errors."""

    service = "cache"

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.REDIS_TIMEOUT_SECONDS
        self._client = Redis.from_url(
            settings.REDIS_URL.get_secret_value(),
            decode_responses=True,
            max_connections=UNLIMITED,  # whoever waits for the events of a stream holds one
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 1),  # one fresh connection in place of one that a restart of the server broke
        )

    async def open(self) -> None:
        """Connect on first use: a process must start while Valkey is down."""

    async def close(self) -> None:
        await self._client.aclose()

    async def ping(self) -> None:
        """Do all that is ever asked of Valkey, on keys that no one else has.

        Raises `ServiceUnavailable`, and `ServiceUnusable` for a cluster, a database that is not there or missing
        permissions. A cluster does not let one command name keys of several nodes, wherever they are.
        """
        value, stream, rate = "turn:probe:value", "turn:probe:stream", "rate:probe"
        pipeline = self._client.pipeline(transaction=False)
        steps = {
            f"SET {value}": pipeline.set(value, "", ex=PROBE_SECONDS),
            f"GET {value}": pipeline.get(value),
            f"XADD {stream}": pipeline.xadd(stream, {"type": "probe"}, maxlen=1),
            f"EXPIRE {stream}": pipeline.expire(stream, PROBE_SECONDS),
            f"XREAD {stream}": pipeline.xread({stream: "0"}),
            "SCRIPT LOAD": pipeline.script_load(_HIT),
            f"EVALSHA {rate}": pipeline.evalsha(_HIT_SHA, 1, rate, "1", "1"),
            f"DEL {value} {stream} {rate}": pipeline.delete(value, stream, rate),
        }
        with self._errors():
            results = await pipeline.execute(raise_on_error=False)
        failed = {step: result for step, result in zip(steps, results, strict=True) if isinstance(result, Exception)}
        lacking = {step: error for step, error in failed.items() if is_denied(error)}
        for error in failed.values():
            raise denied(self.service, lacking) if lacking else fault(self.service, error) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:  # it is away, or refuses to write: out of memory, a replica, a full disk
            raise fault(self.service, error) from error


class ValkeyCache(ValkeyService):
    async def open(self) -> None:
        """Refuse a server that will never do. One that is down may come back: the process starts without it."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self.ping()
        except ServiceUnusable:
            raise
        except (ServiceUnavailable, TimeoutError):
            return

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._ttl = settings.REDIS_TTL

    async def get(self, key: str) -> str | None:
        with self._errors():
            return cast("str | None", await self._client.get(key))

    async def set(self, key: str, value: str, ttl: int | None = None) -> None:
        with self._errors():
            await self._client.set(key, value, ex=ttl or self._ttl)

    async def delete(self, key: str) -> None:
        with self._errors():
            await self._client.delete(key)


class ValkeyEventStream(ValkeyService):
    """One Valkey stream each, capped at EVENTS_MAX_LENGTH and gone EVENTS_TTL_SECONDS after the last event."""

    service = "event stream"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._max_length = settings.EVENTS_MAX_LENGTH
        self._ttl = settings.EVENTS_TTL_SECONDS

    async def append(self, stream: str, events: Sequence[Event]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for event in events:
            fields: dict[Any, Any] = {"type": event.type, "data": json.dumps(event.data, ensure_ascii=False)}
            pipeline.xadd(stream, fields, id=event.id, maxlen=self._max_length, approximate=True)
        pipeline.expire(stream, self._ttl)
        with self._errors():
            results = await pipeline.execute(raise_on_error=False)
        for result in results:
            # Valkey refuses an id that is not above the last one: the event is there already, or its writer is late.
            passed = isinstance(result, ResponseError) and "equal or smaller" in str(result)
            if isinstance(result, Exception) and not passed:
                raise fault(self.service, result) from result

    async def remove(self, streams: Sequence[str]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for stream in streams:
            pipeline.delete(stream)
            # No id that a writer gives comes after this one.
            pipeline.xadd(stream, {"type": "stream.removed", "data": "{}"}, id=LAST_ID)
            pipeline.expire(stream, REMOVED_SECONDS)
        with self._errors():
            await pipeline.execute()

    async def read(self, stream: str, after: str | None, block_seconds: float) -> list[Event]:
        block = min(block_seconds, self._timeout / 2)
        with self._errors():
            found: Any = await self._client.xread({stream: after or "0"}, block=max(1, round(block * 1000)))
        return [
            Event(entry_id, fields["type"], json.loads(fields["data"]))
            for _, entries in found or ()
            for entry_id, fields in entries
        ]


class ValkeyRateLimiter(ValkeyService):
    """A sliding window: in no 60 seconds, wherever they begin, more hits than the limit."""

    service = "rate limiter"
    window_seconds = 60

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._hits = Gathering(self._count)

    async def hit(self, key: str, limit: int) -> Quota:
        return await self._hits.answer((key, limit))

    async def _count(self, hits: list[tuple[str, int]]) -> list[Quota]:
        with self._errors():
            results = await self._run(hits)
        return [
            Quota(bool(allowed), limit, remaining, reset / 1_000_000)
            for (_, limit), (allowed, remaining, reset) in zip(hits, results, strict=True)
        ]

    async def _run(self, hits: list[tuple[str, int]]) -> list[tuple[int, int, int]]:
        window = self.window_seconds * 1_000_000
        pipeline = self._client.pipeline(transaction=False)
        for key, limit in hits:
            pipeline.evalsha(_HIT_SHA, 1, f"rate:{key}", str(limit), str(window))
        try:
            return await pipeline.execute()
        except NoScriptError:  # Valkey is new or was restarted: nothing was counted
            await self._client.script_load(_HIT)
            return await self._run(hits)
