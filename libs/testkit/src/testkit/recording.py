"""A recorded sequence of facts, told as it was said or as a broker may deliver it: early, late and twice."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from contracts.event import Event

WINDOW = 40
"""By so many places a delivery may come too late: several turns of a story whose aggregates take turns."""


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
    """All of it, half of it twice, and every stream of several events out of order at least once."""
    of_several = {one.stream for one in told if one.seq > min(two.seq for two in told if two.stream == one.stream)}
    twice = chance.sample(range(len(told)), len(told) // 2)
    places = sorted([*range(len(told)), *twice], key=lambda place: place + chance.random() * WINDOW)
    deliveries = [told[place] for place in places]
    for stream in sorted(of_several - _disordered(deliveries)):
        _turn_round(deliveries, stream)
    assert _disordered(deliveries) == of_several
    return deliveries


def _turn_round(deliveries: list[Told], stream: tuple[str, str, UUID]) -> None:
    """The first delivery of the stream changes places with the next one of a higher number."""
    first, *others = [place for place, one in enumerate(deliveries) if one.stream == stream]
    next_up = next(place for place in others if deliveries[place].seq > deliveries[first].seq)
    deliveries[first], deliveries[next_up] = deliveries[next_up], deliveries[first]


def _disordered(deliveries: Sequence[Told]) -> set[tuple[str, str, UUID]]:
    """The streams of which something comes before one of a lower number that is still to come."""
    return {
        one.stream
        for place, one in enumerate(deliveries)
        for later in deliveries[place:]
        if later.stream == one.stream and later.seq < one.seq and later not in deliveries[:place]
    }
