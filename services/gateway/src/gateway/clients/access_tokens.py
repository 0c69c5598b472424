"""Access tokens, verified against identity's keys, each token once (spec 11)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.auth import AccessClaims, kid_of, public_keys, verify_access
from chassis.auth.access import SKEW_SECONDS
from chassis.clock import SystemClock
from chassis.telemetry import counter, get_logger
from kernel.refusal import Unauthenticated, Unavailable

KEYS_SECONDS = 300.0
KEYS_PAUSE_SECONDS = 10.0
FIRST_KEYS_PAUSE_SECONDS = 0.5
VERIFIED_MAX = 10_000

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]

_log = get_logger(__name__)
_fetches = counter("gateway_key_fetches_total", "Times the key set was asked of identity.", ("outcome",))


class AccessTokens:
    """Verifies tokens. A verified token is remembered until it expires or the key set changes.

    The key set is fetched again after five minutes, and when a token names a key it lacks, at most once in ten
    seconds. While identity is away the last key set stays good.
    """

    def __init__(self, fetch: FetchKeys, clock: SystemClock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._document: dict[str, Any] = {"keys": []}
        self._fetched_at = self._tried_at = float("-inf")
        self._verified: dict[str, AccessClaims] = {}
        self._lock = asyncio.Lock()

    async def verify(self, token: str | None) -> AccessClaims:
        """The token's claims. Raises Unauthenticated, or Unavailable while no key set could be fetched at all."""
        if token is None:
            raise Unauthenticated("token_missing")
        claims = self._verified.get(token)
        if claims is not None and self._is_fresh():
            if claims.expires_at + SKEW_SECONDS > self._now():
                return claims
            del self._verified[token]
            raise Unauthenticated("token_expired")
        return await self._verify_anew(token)

    async def document(self) -> dict[str, Any]:
        """The key set as identity publishes it."""
        await self._ensure(None)
        return self._document

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _verify_anew(self, token: str) -> AccessClaims:
        kid = kid_of(token)
        if kid is None:
            raise Unauthenticated("token_invalid")
        await self._ensure(kid)
        claims = verify_access(self._keys, token, now=self._now())
        if len(self._verified) >= VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = claims
        return claims

    async def _ensure(self, kid: str | None) -> None:
        """Have the key if identity publishes it. Whoever lacks it waits for a fetch that is under way; whoever has it
        never waits for somebody else's.
        """
        if self._knows(kid) and (self._is_fresh() or self._lock.locked()):
            return
        async with self._lock:
            pause = KEYS_PAUSE_SECONDS if self._keys else FIRST_KEYS_PAUSE_SECONDS
            is_wanted = not (self._knows(kid) and self._is_fresh())
            if is_wanted and self._clock.monotonic() - self._tried_at >= pause:
                await self._refresh()
        if not self._keys:
            raise Unavailable("identity")

    def _knows(self, kid: str | None) -> bool:
        return kid in self._keys if kid is not None else bool(self._keys)

    def _is_fresh(self) -> bool:
        return self._clock.monotonic() - self._fetched_at < KEYS_SECONDS

    async def _refresh(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            document = await self._fetch()
            keys = public_keys(document)
        except (Unavailable, ValueError) as error:
            _fetches.labels("failed").inc()
            _log.warning("keys.unavailable", error=type(error).__name__, keys=len(self._keys))
            return
        _fetches.labels("fetched").inc()
        if keys.keys() != self._keys.keys():
            self._verified.clear()
        self._keys, self._document, self._fetched_at = keys, document, self._clock.monotonic()
