"""How many connections there are, and for how long each may keep us waiting (reliability 3.13)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from chassis.process import KEEP_ALIVE_SECONDS
from gateway.domain.addresses import Network, is_within, rate_subject
from gateway.settings import Settings
from kernel.refusal import RateLimited, Refusal, Unavailable

TICK_SECONDS: Final = 0.25
LINGER_SECONDS: Final = 1.0
CROWDED_SHARE: Final = 0.9
CROWDED_IDLE_SECONDS: Final = 1.0


class Watched(Protocol):
    """A connection as the gate sees it."""

    def look(self, now: float) -> None:
        """Called a few times a second with the loop's time, to end what has lasted too long."""


class Gate:
    """Admits the connections of one process and looks after them with a single timer, so that none costs one of its
    own and a request costs none at all.

    A peer that is a trusted proxy stands for many clients: its connections count in the whole only, and are kept as
    long as a service keeps those of a pool.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._trusted: Sequence[Network] = settings.trusted_proxies
        self._connections: set[Watched] = set()
        self._by_address: Counter[str] = Counter()
        self._is_ticking = False

    def idle_seconds(self, *, is_trusted: bool) -> float:
        """How long a connection may wait for its next request; a client's only a moment when places run out."""
        if is_trusted:
            return KEEP_ALIVE_SECONDS
        is_crowded = len(self._connections) > CROWDED_SHARE * self.settings.connections_max
        return min(CROWDED_IDLE_SECONDS, self.settings.idle_seconds) if is_crowded else self.settings.idle_seconds

    def trusts(self, address: str) -> bool:
        return bool(self._trusted) and is_within(address, self._trusted)

    def enter(self, connection: Watched, address: str) -> Refusal | None:
        """Take it in, even if it must be turned away with this refusal: that takes a moment too."""
        if not self._is_ticking:
            self._wait()
        is_full = len(self._connections) >= self.settings.connections_max
        self._connections.add(connection)
        subject = rate_subject(address)
        self._by_address[subject] += 1
        if is_full:
            return Unavailable("gateway", retry_after=1)
        if self._by_address[subject] > self.settings.connections_per_address and not self.trusts(address):
            return RateLimited("too_many_connections", "too many connections", retry_after=1)
        return None

    def leave(self, connection: Watched, address: str) -> None:
        self._connections.discard(connection)
        subject = rate_subject(address)
        self._by_address[subject] -= 1
        if not self._by_address[subject]:
            del self._by_address[subject]

    def _wait(self) -> None:
        self._is_ticking = True
        asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._is_ticking = False
        if self._connections:
            self._wait()
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._connections):
            connection.look(now)
