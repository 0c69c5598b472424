"""Visible marks of processed events in Redis, for people and for guards outside PostgreSQL; nothing here reads them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from chassis.inbox.held import Delivery

if TYPE_CHECKING:
    from redis.asyncio import Redis

KEPT = timedelta(hours=720)
WAITING_MAX = 10_000
BATCH_MAX = 500
REDIS_SECONDS = 1.0
COLLECT_SECONDS = 0.05


class Markers:
    """Collects event ids and writes them beside the consumer, never before it. With Redis away they are forgotten."""

    def __init__(self, consumer: str, redis: Redis) -> None:
        self._consumer = consumer
        self._redis = redis
        self._waiting: deque[str] = deque(maxlen=WAITING_MAX)
        self._some = asyncio.Event()

    def note(self, deliveries: Sequence[Delivery]) -> None:
        self._waiting.extend(f"pf:evt:processed:{self._consumer}:{one.stamp.event_id}" for one in deliveries)
        self._some.set()

    async def step(self) -> float:
        """Write what has come together since; answers the pause before the next time."""
        await self._some.wait()
        self._some.clear()
        while self._waiting:
            keys = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            try:
                async with asyncio.timeout(REDIS_SECONDS):
                    await self._write(keys)
            except (RedisError, OSError, TimeoutError):
                self._waiting.clear()
                return REDIS_SECONDS
        return COLLECT_SECONDS

    async def _write(self, keys: Sequence[str]) -> None:
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.set(key, "done", ex=KEPT)
            await pipe.execute()
