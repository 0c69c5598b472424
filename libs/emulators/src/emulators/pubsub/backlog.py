"""What one subscription holds: messages that wait, that somebody has leased, and that are put off to be tried again."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from emulators.pubsub.refusals import full, invalid
from emulators.pubsub.wire import Message, ReceivedMessage, seconds

MESSAGES_MAX: Final = 10_000
BYTES_MAX: Final = 64 * 1024 * 1024
LEASE_SECONDS_MAX: Final = 600
ATTEMPTS_MAX: Final = 5
"""Deliveries before the dead-letter topic, when the policy does not say."""

BACKOFF_SECONDS: Final = (10.0, 600.0)
"""Least and most, when a retry policy does not say."""

Bury = Callable[[Message, Message, int], bool]
"""Subscription, message and attempts to whoever keeps dead letters; False when nobody does, and the message stays."""


@dataclass(slots=True, eq=False)
class Held:
    message: Message
    size: int
    attempts: int = 0


@dataclass(slots=True)
class Lease:
    held: Held
    until: float


class Backlog:
    """Each message at least once; those with an ordering key in order, one at a time, when the subscription says so.

    A message that is not acknowledged in time, or refused, comes again after the retry policy's delay, until it goes
    to the dead-letter topic. `changed` is set whenever there may be something to take.
    """

    def __init__(self, subscription: Message, bury: Bury, now: Callable[[], float] = time.monotonic) -> None:
        self.subscription = subscription
        self.changed = asyncio.Event()
        self._bury = bury
        self._now = now
        self._waiting: deque[Held] = deque()
        self._leases: dict[str, Lease] = {}
        self._put_off: list[tuple[float, int, Held]] = []
        self._keys_in_work: set[str] = set()
        self._numbers = itertools.count(1)
        self._bytes = 0

    @property
    def deadline_seconds(self) -> int:
        return int(self.subscription.ack_deadline_seconds)

    def require_room(self, sizes: Iterable[int]) -> None:
        """Raises Refused when these would not fit: a subscriber that has gone away must not fill the memory."""
        added = list(sizes)
        held = len(self._waiting) + len(self._leases) + len(self._put_off)
        if held + len(added) > MESSAGES_MAX or self._bytes + sum(added) > BYTES_MAX:
            raise full(f"{self.subscription.name} holds {held} messages that nobody acknowledges")

    def add(self, message: Message) -> None:
        held = Held(message, message.ByteSize())
        self._bytes += held.size
        self._waiting.append(held)
        self.changed.set()

    def take(self, messages_max: int, bytes_max: int, lease_seconds: float) -> list[Message]:
        """What may be delivered now, oldest first, leased for so long; at least one message if there is any."""
        taken: list[Message] = []
        skipped: list[Held] = []
        room = bytes_max
        while self._waiting and len(taken) < messages_max and room > 0:
            held = self._waiting.popleft()
            key = self._key(held)
            if key in self._keys_in_work:
                skipped.append(held)
                continue
            if key:
                self._keys_in_work.add(key)
            room -= held.size
            taken.append(self._lease(held, lease_seconds))
        self._waiting.extendleft(reversed(skipped))
        return taken

    def leased(self, ack_ids: Iterable[str]) -> dict[str, int]:
        """Which of these are still out, and their sizes."""
        return {ack_id: self._leases[ack_id].held.size for ack_id in ack_ids if ack_id in self._leases}

    def acknowledge(self, ack_ids: Iterable[str]) -> None:
        """A lease that has lapsed is no longer known, and its message comes again."""
        for ack_id in ack_ids:
            lease = self._leases.pop(ack_id, None)
            if lease is not None:
                self._let_go(lease.held)

    def extend(self, ack_ids: Iterable[str], lease_seconds: int) -> None:
        """From now on so long; zero gives the messages back."""
        if not 0 <= lease_seconds <= LEASE_SECONDS_MAX:
            raise invalid(f"an ack deadline is 0 to {LEASE_SECONDS_MAX} seconds, not {lease_seconds}")
        for ack_id in ack_ids:
            if ack_id not in self._leases:
                continue
            if lease_seconds:
                self._leases[ack_id].until = self._now() + lease_seconds
            else:
                self._give_back(ack_id)

    def tick(self) -> None:
        """Take back what was not acknowledged in time, and bring forward what has been put off long enough."""
        now = self._now()
        for ack_id in [ack_id for ack_id, lease in self._leases.items() if lease.until <= now]:
            self._give_back(ack_id)
        while self._put_off and self._put_off[0][0] <= now:
            self._return(heapq.heappop(self._put_off)[2])

    def _lease(self, held: Held, lease_seconds: float) -> Message:
        held.attempts += 1
        ack_id = f"{self.subscription.name}:{next(self._numbers)}"
        self._leases[ack_id] = Lease(held, self._now() + lease_seconds)
        attempt = held.attempts if self.subscription.HasField("dead_letter_policy") else 0
        return ReceivedMessage(ack_id=ack_id, message=held.message, delivery_attempt=attempt)

    def _give_back(self, ack_id: str) -> None:
        """Its key stays in work while it is put off, so that no later message overtakes it."""
        held = self._leases.pop(ack_id).held
        if self._is_exhausted(held) and self._bury(self.subscription, held.message, held.attempts):
            self._let_go(held)
            return
        delay = self._delay(held.attempts)
        if delay:
            heapq.heappush(self._put_off, (self._now() + delay, next(self._numbers), held))
        else:
            self._return(held)

    def _return(self, held: Held) -> None:
        self._waiting.appendleft(held)
        self._keys_in_work.discard(self._key(held))
        self.changed.set()

    def _let_go(self, held: Held) -> None:
        self._bytes -= held.size
        self._keys_in_work.discard(self._key(held))
        self.changed.set()

    def _key(self, held: Held) -> str:
        return str(held.message.ordering_key) if self.subscription.enable_message_ordering else ""

    def _is_exhausted(self, held: Held) -> bool:
        policy = self.subscription.dead_letter_policy
        return bool(policy.dead_letter_topic) and held.attempts >= (policy.max_delivery_attempts or ATTEMPTS_MAX)

    def _delay(self, attempts: int) -> float:
        """Seconds until the next try: at once without a retry policy, else doubled with each try."""
        if not self.subscription.HasField("retry_policy"):
            return 0
        policy = self.subscription.retry_policy
        least = seconds(policy.minimum_backoff) if policy.HasField("minimum_backoff") else BACKOFF_SECONDS[0]
        most = seconds(policy.maximum_backoff) if policy.HasField("maximum_backoff") else BACKOFF_SECONDS[1]
        return min(most, least * 2.0 ** min(attempts - 1, 30))
