"""Cache, event streams and rate limits on Valkey (or Redis), through redis-py."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ..batching import Batcher
from ..interfaces import Event, Quota, ServiceUnavailable, ServiceUnusable
from .valkey_reads import SharedReads

if TYPE_CHECKING:
    from ...config import Settings

UNLIMITED = 2**31
LAST_ID = f"{2**63}-0"
OPEN_SECONDS = 1.0
PROBE_SECONDS = 60
REMOVED_SECONDS = 60  # by then, a process that still runs the turn has noticed its removal

# Keeps the times of the latest hits of each key, oldest first, never more than its limit. Times are Valkey's own, in
# microseconds, so that all processes share one clock.
_HIT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[1])
local quotas = {}
for number, key in ipairs(KEYS) do
    local limit = tonumber(ARGV[number + 1])
    local oldest = redis.call('LINDEX', key, 0)
    while oldest and now - oldest >= window do
        redis.call('LPOP', key)
        oldest = redis.call('LINDEX', key, 0)
    end
    local used = redis.call('LLEN', key)
    if used < limit then
        redis.call('RPUSH', key, string.format('%.0f', now))
        redis.call('PEXPIRE', key, math.ceil(window / 1000))
        quotas[number] = {1, limit - used - 1, window - (now - (oldest or now))}
    else
        local frees = redis.call('LINDEX', key, used - limit)
        quotas[number] = {0, 0, window - (now - frees)}
    end
end
return quotas
"""

# Appends to each key as many entries as the first of its arguments says, and returns the first error of each. Valkey
# rejects an id that is not above the last one: a repeated event, or a writer that is out of date.
_APPEND = """
local results = {}
local at = 3
for number, key in ipairs(KEYS) do
    local count = tonumber(ARGV[at])
    results[number] = ''
    for entry = at + 1, at + 3 * count, 3 do
        local added = redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[1], ARGV[entry],
                                  'type', ARGV[entry + 1], 'data', ARGV[entry + 2])
        if added.err and not string.find(added.err, 'equal or smaller', 1, true) then
            results[number] = added.err
            break
        end
    end
    redis.call('EXPIRE', key, ARGV[2])
    at = at + 3 * count + 1
end
return results
"""

# Faults that only another setting or server can fix: the service does not start.
_PERMANENT_FAULTS = {
    r"^MOVED|^ASK |CROSSSLOT|hash to the same slot|CLUSTERDOWN|cluster mode": (
        "REDIS_URL names a node of a cluster, which is not supported: name a server without cluster mode"
    ),
    r"DB index is out of range|invalid DB index": (
        "the database number at the end of REDIS_URL does not exist on the server: use 0, or raise `databases` there"
    ),
    r"unknown command": (
        "the server at REDIS_URL lacks required commands: is it a Sentinel? Name the primary, "
        "Valkey 7.2 or Redis 6.2 or later"
    ),
}
_TEMPORARY_FAULTS = {
    r"^OOM|maxmemory": (
        "Valkey is full: raise `maxmemory`, or set `maxmemory-policy` to volatile-lru, since all keys here expire"
    ),
    r"^READONLY|read only replica": "REDIS_URL names a replica, which accepts no writes: name the primary",
    r"^LOADING|loading the dataset": "Valkey is still loading its data",
    r"^MASTERDOWN|Link with MASTER": "REDIS_URL names a replica that has lost its primary: name the primary",
    r"^MISCONF": "Valkey cannot save its data and so rejects writes: check its disk and its log",
    r"^NOREPLICAS": "Valkey rejects writes because too few of its replicas are connected",
    r"^BUSY |running a script": "Valkey is busy with a script that does not end: `SCRIPT KILL` ends it",
    r"max number of clients": "Valkey accepts no more connections: raise `maxclients`",
    r"WRONGPASS|NOAUTH|invalid username-password|Authentication required|invalid password|without any password": (
        "Valkey rejects the user or the password of REDIS_URL"
    ),
    r"certificate verify failed|CERTIFICATE_VERIFY_FAILED": "the certificate of the server at REDIS_URL is not trusted",
    r"WRONG_VERSION_NUMBER|wrong version number|record layer": (
        "the server at REDIS_URL does not use TLS: begin the URL with redis://"
    ),
    r"Connect call failed|refused": "Valkey cannot be reached: nothing listens at the host and port of REDIS_URL",
    r"^Error -|Name or service not known": "Valkey cannot be reached: the host of REDIS_URL is unknown",
    r"Timeout connecting": "Valkey cannot be reached: the host of REDIS_URL does not answer",
    r"[Tt]imeout|Timed out": "Valkey did not answer within REDIS_TIMEOUT_SECONDS",
}
_MISSING_PERMISSION = "the user of REDIS_URL lacks a permission"
_DENIED = re.compile(r"NOPERM|ACL failure|has no permissions|No permissions to access")


def _fault(service: str, error: Exception) -> ServiceUnavailable:
    """The error to raise for one of redis-py; its reason names the setting to change."""
    message = _message(error)
    if _DENIED.search(message):
        return ServiceUnusable(service, f"{_MISSING_PERMISSION}: {error}")
    for faults, kind in ((_PERMANENT_FAULTS, ServiceUnusable), (_TEMPORARY_FAULTS, ServiceUnavailable)):
        for pattern, sentence in faults.items():
            if re.search(pattern, message):
                return kind(service, sentence)
    return ServiceUnavailable(service, message.splitlines()[0] if message else type(error).__name__)


def _message(error: Exception) -> str:
    code = getattr(error, "status_code", None) or ""  # redis-py removes it from the message
    return f"{code} {error}".strip()


def _missing_permissions(service: str, errors: Mapping[str, Exception]) -> ServiceUnusable:
    """The error for commands, each with its keys, that the user may not run."""
    scripts = {step: re.search(r"in script: .*'([^']+)' command", str(error)) for step, error in errors.items()}
    steps = ", ".join(f"{step} (in it {found[1]})" if found else step for step, found in scripts.items())
    return ServiceUnusable(service, f"{_MISSING_PERMISSION}: {steps}. Grant it with ACL SETUSER")


class ValkeyService:
    """Base of the services on Valkey. Errors call the service `service`."""

    service = "cache"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = Redis.from_url(
            settings.REDIS_URL.get_secret_value(),
            decode_responses=True,
            max_connections=UNLIMITED,  # as many as there are requests at once
            socket_timeout=settings.REDIS_TIMEOUT_SECONDS,
            socket_connect_timeout=settings.REDIS_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # one new connection to replace one that a server restart broke
        )
        self._count_hits = self._client.register_script(_HIT)
        self._append = self._client.register_script(_APPEND)

    async def open(self) -> None:
        """Connect on first use: a process must start while Valkey is down."""

    async def close(self) -> None:
        await self._client.aclose()

    async def ping(self) -> None:
        """Run every command that the service uses, on keys of its own.

        Raises `ServiceUnavailable`, and `ServiceUnusable` for a cluster, a missing database or missing permissions. A
        cluster rejects the last command wherever its keys are, since it names keys of several nodes.
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
            f"EVALSHA {rate}": pipeline.evalsha(self._count_hits.sha, 1, rate, "1", "1"),
            f"DEL {value} {stream} {rate}": pipeline.delete(value, stream, rate),
        }
        with self._errors():
            results = await pipeline.execute(raise_on_error=False)
        failed = {step: result for step, result in zip(steps, results, strict=True) if isinstance(result, Exception)}
        denied = {step: error for step, error in failed.items() if _DENIED.search(_message(error))}
        for error in failed.values():
            raise _missing_permissions(self.service, denied) if denied else _fault(self.service, error) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            raise _fault(self.service, error) from error


class ValkeyCache(ValkeyService):
    async def open(self) -> None:
        """Raise `ServiceUnusable` for a server that cannot be used. One that is down may come back."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self.ping()
        except ServiceUnusable:
            raise
        except (ServiceUnavailable, TimeoutError):
            return

    async def get(self, key: str) -> str | None:
        with self._errors():
            return cast("str | None", await self._client.get(key))

    async def set(self, key: str, value: str, ttl: int | None = None) -> None:
        with self._errors():
            await self._client.set(key, value, ex=ttl or self._settings.REDIS_TTL)

    async def delete(self, key: str) -> None:
        with self._errors():
            await self._client.delete(key)


class ValkeyEventStream(ValkeyService):
    """Each stream is one Valkey stream, capped at EVENTS_MAX_LENGTH, that expires EVENTS_TTL_SECONDS after its end."""

    service = "event stream"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._batcher = Batcher(self._append_all)
        self._reads = SharedReads(self._client, settings.REDIS_TIMEOUT_SECONDS / 2)

    async def close(self) -> None:
        await self._reads.close()
        await self._batcher.close()
        await super().close()

    async def append(self, stream: str, events: Sequence[Event]) -> None:
        if error := await self._batcher.call((stream, events)):
            raise _fault(self.service, ResponseError(error))

    async def _append_all(self, batches: list[tuple[str, Sequence[Event]]]) -> list[str]:
        """Append to several streams in one round trip; returns the error of each, or an empty text."""
        arguments: list[Any] = [self._settings.EVENTS_MAX_LENGTH, self._settings.EVENTS_TTL_SECONDS]
        for _, events in batches:
            arguments.append(len(events))
            for event in events:
                arguments += (event.id, event.type, json.dumps(event.data, ensure_ascii=False))
        with self._errors():
            return cast("list[str]", await self._append([stream for stream, _ in batches], arguments))

    async def remove(self, streams: Sequence[str]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for stream in streams:
            pipeline.delete(stream)
            pipeline.xadd(stream, {"type": "stream.removed", "data": "{}"}, id=LAST_ID)  # writers' ids are all lower
            pipeline.expire(stream, REMOVED_SECONDS)
        with self._errors():
            await pipeline.execute()

    async def read(self, stream: str, after: str | None, block_seconds: float) -> list[Event]:
        with self._errors():
            entries = await self._reads.read(stream, after or "0", block_seconds)
        return [Event(entry_id, fields["type"], json.loads(fields["data"])) for entry_id, fields in entries]


class ValkeyRateLimiter(ValkeyService):
    """A sliding window: never more hits than the limit in any 60 seconds."""

    service = "rate limiter"
    window_seconds = 60

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._batcher = Batcher(self._count)

    async def close(self) -> None:
        await self._batcher.close()
        await super().close()

    async def hit(self, key: str, limit: int) -> Quota:
        return await self._batcher.call((key, limit))

    async def _count(self, hits: list[tuple[str, int]]) -> list[Quota]:
        keys = [f"rate:{key}" for key, _ in hits]
        limits = [limit for _, limit in hits]
        with self._errors():
            quotas = await self._count_hits(keys, [self.window_seconds * 1_000_000, *limits])
        return [
            Quota(bool(allowed), limit, remaining, reset / 1_000_000)
            for limit, (allowed, remaining, reset) in zip(limits, quotas, strict=True)
        ]
