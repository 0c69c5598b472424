"""A recorded sequence of facts, told as it was said or as a broker may deliver it: early, late and twice."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from contracts.event import Event

WINDOW = 40
"""By so many places a delivery may come too late: several turns of a story whose aggregates take turns."""


ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Told:
    """An event with its number in its aggregate's stream."""

    event: Event
    seq: int

    @property
    def stream(self) -> tuple[str, str, UUID]:
        return self.event.source(), self.event.aggregate, self.event.aggregate_id


def numbered(events: Iterable[Event]) -> list[Told]:
    """As their sources number them: 1, 2, 3 in each aggregate."""
    numbers: defaultdict[tuple[str, str, UUID], int] = defaultdict(int)
    told = []
    for event in events:
        stream = event.source(), event.aggregate, event.aggregate_id
        numbers[stream] += 1
        told.append(Told(event, numbers[stream]))
    return told


def shuffled(told: Sequence[Told], chance: Random) -> list[Told]:
    """All of it, half of it twice, and something before its turn; raises ValueError when nothing can be."""
    for _ in range(ATTEMPTS):
        twice = chance.sample(range(len(told)), len(told) // 2)
        places = sorted([*range(len(told)), *twice], key=lambda place: place + chance.random() * WINDOW)
        deliveries = [told[place] for place in places]
        if inversions(deliveries):
            return deliveries
    raise ValueError("no aggregate says enough to be out of order")


def inversions(told: Iterable[Told]) -> int:
    """How many deliveries come before one of a lower number of their own aggregate."""
    seen: set[tuple[tuple[str, str, UUID], int]] = set()
    early = 0
    for one in told:
        early += one.seq > 1 and (one.stream, one.seq - 1) not in seen
        seen.add((one.stream, one.seq))
    return early
