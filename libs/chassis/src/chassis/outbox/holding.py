"""Aggregates that wait because their first unpublished event could not be published."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

DELAY_SECONDS_MIN = 0.2
DELAY_SECONDS_MAX = 30.0
RETURNED_SECONDS_MAX = 4.0
"""Asking again whether a queue is bound costs the broker nothing, and a binding that is back should be used soon."""

Aggregate = tuple[str, UUID]


@dataclass(slots=True)
class _Hold:
    attempts: int
    due_at: float


class Holds:
    """Who waits, and until when. Attempts have no end: an event is never given up."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._holds: dict[Aggregate, _Hold] = {}
        self._failed_since: set[Aggregate] = set()

    def __len__(self) -> int:
        return len(self._holds)

    def fail(self, aggregate: Aggregate, *, returned: bool = False) -> float:
        """Hold it for a while that grows from 0.2 s, with full jitter; answers the seconds."""
        hold = self._holds.setdefault(aggregate, _Hold(0, 0.0))
        hold.attempts += 1
        largest = RETURNED_SECONDS_MAX if returned else DELAY_SECONDS_MAX
        delay = random.uniform(DELAY_SECONDS_MIN, min(largest, DELAY_SECONDS_MIN * 2 ** min(hold.attempts, 10)))  # noqa: S311  spreads retries
        hold.due_at = self._now() + delay
        self._failed_since.add(aggregate)
        return delay

    def succeed(self, aggregate: Aggregate) -> None:
        """It was published. What stopped it most likely stopped the others too, so they are tried again now."""
        if self._holds.pop(aggregate, None) is not None:
            for other in self._holds.values():
                other.due_at = self._now()

    def waiting(self) -> list[Aggregate]:
        """Those that are not due yet, for a scan that begins now; see `failed_during_scan`."""
        self._failed_since.clear()
        return [aggregate for aggregate, hold in self._holds.items() if hold.due_at > self._now()]

    def failed_during_scan(self, aggregate: Aggregate) -> bool:
        """Whether it failed after the scan began: the scan then left out the row that must come first."""
        return aggregate in self._failed_since

    def seconds_to_next(self) -> float | None:
        """None when nobody waits."""
        if not self._holds:
            return None
        return max(0.0, min(hold.due_at for hold in self._holds.values()) - self._now())
