"""Cache and event streams on Valkey (or Redis), through redis-py."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..interfaces import Event, ServiceUnavailable

if TYPE_CHECKING:
    from ...config import Settings


class ValkeyService:
    """What has a client of Valkey. The service is `service` in errors."""

    service = "cache"

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.REDIS_TIMEOUT_SECONDS
        self._client = Redis.from_url(
            settings.REDIS_URL.get_secret_value(),
            decode_responses=True,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            retry=Retry(NoBackoff(), 1),  # one fresh connection in place of one that a restart of the server broke
        )

    async def open(self) -> None:
        """Connect on first use: a process must start while Valkey is down."""

    async def close(self) -> None:
        await self._client.aclose()

    async def ping(self) -> None:
        with self._errors():
            await self._client.ping()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (RedisConnectionError, RedisTimeoutError) as error:
            raise ServiceUnavailable(self.service) from error


class ValkeyCache(ValkeyService):
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
            if isinstance(result, RedisConnectionError | RedisTimeoutError):
                raise ServiceUnavailable(self.service) from result
            if isinstance(result, Exception) and not passed:
                raise result

    async def read(self, stream: str, after: str | None, block_seconds: float) -> list[Event]:
        block = min(block_seconds, self._timeout / 2)
        with self._errors():
            found: Any = await self._client.xread({stream: after or "0"}, block=max(1, round(block * 1000)))
        return [
            Event(entry_id, fields["type"], json.loads(fields["data"]))
            for _, entries in found or ()
            for entry_id, fields in entries
        ]
