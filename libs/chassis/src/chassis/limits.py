"""Rate limits (spec 16.2): a sliding window in Redis, and the same limits inside the process while Redis is away.

A policy that is hit by nearly every request sets `lease`: the process then takes that many uses from the shared
window at once and counts them down by itself, so that most requests cost no round trip. What is admitted too much is
at most one lease per process and window; what does not make a whole lease is given to nobody.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Self

import http_sf
import structlog
from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.settings import ServiceSettings
from kernel.refusal import RateLimited

KEY_PREFIX = "pf:rl"
REDIS_SECONDS_MAX = 0.5
REDIS_REST_SECONDS = 1.0
SUBJECTS_MAX = 20_000

_log = structlog.get_logger("chassis.limits")


@dataclass(frozen=True, slots=True)
class Policy:
    """`amount` uses in any window of `seconds`; `name` stands in Redis keys and in the IETF fields."""

    name: str
    amount: int
    seconds: int
    lease: int = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What one use found: whether it was allowed, how many are left, and in how many whole seconds there will be
    more.
    """

    policy: Policy
    allowed: bool
    remaining: int
    reset_seconds: int


@dataclass(slots=True)
class _Lease:
    """Uses that the process has taken from a window and not given to anybody yet; one request at a time takes more,
    or as many leases as requests would be taken and all but one lost.
    """

    left: int = 0
    remaining: int = 0
    ends_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_used_up(self, now: float) -> bool:
        return self.left < 1 or self.ends_at <= now


class Exhausted(RateLimited):
    """A policy is used up; `standings` are all that were looked at, the exhausted one last."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        super().__init__(retry_after=standings[-1].reset_seconds)
        self.standings = standings


class _Item(RateLimitItemPerSecond):
    """A limit whose key is `<policy>:<hash>`, as spec 1.8 has it."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return ":".join(str(identifier) for identifier in identifiers)


class _Shared(RedisStorage):
    """Redis storage without the braces around keys: we run no cluster, and spec 1.8 names the keys."""

    STORAGE_SCHEME = ["async+packhouse"]  # noqa: RUF012  overrides a list of the base class

    def _current_window_key(self, key: str) -> str:
        return key


class Limits:
    """Counts uses of policies by subject (an address, a user, a store), which appears in Redis as a keyed hash only."""

    def __init__(self, redis: Redis, *, secret: str, enabled: bool = True) -> None:
        self.enabled = enabled
        self._secret = secret.encode()[: blake2b.MAX_KEY_SIZE]
        pool: Any = redis.connection_pool  # the library documents it, its annotation does not
        shared = _Shared("redis://", implementation="redispy", key_prefix=KEY_PREFIX, connection_pool=pool)
        self._shared = MovingWindowRateLimiter(shared)
        self._own = OwnWindows()
        self._away_until = 0.0
        self._leases: dict[str, _Lease] = {}

    @classmethod
    def of(cls, redis: Redis, settings: ServiceSettings) -> Self:
        """Limits of a process, off only where its settings say so."""
        return cls(redis, secret=settings.hmac_secret.get_secret_value(), enabled=settings.rate_limits)

    async def demand(self, *uses: tuple[Policy, str]) -> list[Standing]:
        """Use each policy once for its subject. Raises RateLimited, with the seconds to wait, at the first that is
        used up.
        """
        standings: list[Standing] = []
        for policy, subject in uses:
            standings.append(await self.take(policy, subject))
            if not standings[-1].allowed:
                raise Exhausted(standings)
        return standings

    async def take(self, policy: Policy, subject: str) -> Standing:
        """Use the policy once and tell how it stands."""
        if not self.enabled:
            return Standing(policy, True, policy.amount, 0)
        key = self.key(policy, subject)
        return await (self._use(policy, key) if policy.lease == 1 else self._use_leased(policy, key))

    def key(self, policy: Policy, subject: str) -> str:
        """`<policy>:<hash>`; Redis has it behind `pf:rl:`."""
        return f"{policy.name}:{blake2b(subject.encode(), key=self._secret, digest_size=16).hexdigest()}"

    async def _use_leased(self, policy: Policy, key: str) -> Standing:
        now = time.monotonic()
        lease = self._lease(key)
        if lease.is_used_up(now):
            async with lease.lock:
                if lease.is_used_up(now):
                    standing = await self._use(policy, key)
                    if not standing.allowed:
                        return standing
                    lease.left, lease.remaining = policy.lease, standing.remaining
                    lease.ends_at = now + policy.seconds
        lease.left -= 1
        return Standing(policy, True, lease.remaining + lease.left, max(1, math.ceil(lease.ends_at - now)))

    def _lease(self, key: str) -> _Lease:
        """The subject's lease; of too many, the one that was begun first is given up."""
        lease = self._leases.get(key)
        if lease is None:
            if len(self._leases) >= SUBJECTS_MAX:
                del self._leases[next(iter(self._leases))]
            lease = self._leases[key] = _Lease()
        return lease

    async def _use(self, policy: Policy, key: str) -> Standing:
        """One lease, counted in the process first, then in Redis, whose refusal takes the own count back."""
        now = time.monotonic()
        own = self._own.use(policy, key, policy.lease, now)
        if not own.allowed or now < self._away_until:
            return own
        try:
            async with asyncio.timeout(REDIS_SECONDS_MAX):
                standing = await _counted(self._shared, policy, key)
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = now + REDIS_REST_SECONDS
            _log.warning("limits.redis_away", error=type(error).__name__)
            return own
        if not standing.allowed:
            self._own.take_back(key, policy.lease, now)
        return standing


class OwnWindows:
    """The limits inside this process, each use by its instant.

    Every use is counted here, so a Redis that goes away in the middle of a window, or is only slow, opens no second
    one; and what this process alone has used up needs no question. Of too many subjects the first is forgotten.
    """

    def __init__(self) -> None:
        self._uses: dict[str, deque[tuple[float, int]]] = {}

    def use(self, policy: Policy, key: str, cost: int, now: float) -> Standing:
        uses = self._present(policy, key, now)
        left = policy.amount - sum(used for _, used in uses)
        allowed = cost <= left
        if allowed:
            uses.append((now, cost))
            left -= cost
        oldest = uses[0][0] if uses else now
        return Standing(policy, allowed, max(0, left), math.floor(oldest + policy.seconds - now) + 1)

    def take_back(self, key: str, cost: int, at: float) -> None:
        with suppress(KeyError, ValueError):  # it may have been forgotten or left the window meanwhile
            self._uses[key].remove((at, cost))

    def _present(self, policy: Policy, key: str, now: float) -> deque[tuple[float, int]]:
        """The uses of the last window, oldest first."""
        uses = self._uses.get(key)
        if uses is None:
            if len(self._uses) >= SUBJECTS_MAX:
                del self._uses[next(iter(self._uses))]
            uses = self._uses[key] = deque()
        while uses and uses[0][0] <= now - policy.seconds:
            uses.popleft()
        return uses


async def _counted(limiter: MovingWindowRateLimiter, policy: Policy, key: str) -> Standing:
    """One lease in Redis, by its instant, so that no window ever holds more of them than the amount allows."""
    item = _Item(policy.amount // policy.lease, policy.seconds)
    allowed = await limiter.hit(item, key)
    reset_time, remaining = await limiter.get_window_stats(item, key)
    return Standing(policy, allowed, remaining * policy.lease, max(1, math.floor(reset_time - time.time()) + 1))


def fields(standings: Sequence[Standing]) -> dict[str, str]:
    """The IETF `RateLimit-Policy` and `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers)."""
    policies = [_item(s.policy.name, q=s.policy.amount, w=s.policy.seconds) for s in standings]
    left = [_item(s.policy.name, r=s.remaining, t=s.reset_seconds) for s in standings]
    return {"RateLimit-Policy": http_sf.ser(policies), "RateLimit": http_sf.ser(left)}


def _item(name: str, **parameters: int) -> Any:
    """A structured-field item; http-sf's own types do not describe items with parameters inside a list."""
    return (name, parameters)
