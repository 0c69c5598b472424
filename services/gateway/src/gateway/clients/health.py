"""Whether everything a request needs is there, asked at most every two seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.clients.access_tokens import AccessTokens
from gateway.clients.upstreams import Upstreams
from kernel.refusal import Unavailable

CHECK_SECONDS_MAX = 1.0
KEPT_SECONDS = 2.0

Check = Callable[[], Awaitable[object]]


class Health:
    """Asks Redis, the key set and every service, all at once."""

    def __init__(self, redis: Redis, tokens: AccessTokens, upstreams: Upstreams) -> None:
        self._checks: dict[str, Check] = {"redis": redis.ping, "keys": tokens.document}
        for service in sorted(upstreams.services):
            self._checks[service] = _ready(upstreams, service)
        self._found: dict[str, str] = {}
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def failures(self) -> dict[str, str]:
        """What is not there, each with a word on it; empty when all is well."""
        async with self._lock:
            if time.monotonic() - self._looked_at >= KEPT_SECONDS:
                words = await asyncio.gather(*(_word(check) for check in self._checks.values()))
                self._found = {name: word for name, word in zip(self._checks, words, strict=True) if word}
                self._looked_at = time.monotonic()
            return self._found


def _ready(upstreams: Upstreams, service: str) -> Check:
    async def check() -> object:
        return await upstreams.get_json(service, "/health/ready", {}, CHECK_SECONDS_MAX)

    return check


async def _word(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await check()
    except TimeoutError:
        return "timeout"
    except (RedisError, OSError, Unavailable):
        return "unavailable"
    return ""
