"""Publisher and consumer of different versions: what was added is ignored, what cannot be read is held (F-D17)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import bakery
from kitchen import Bakery, eventually, milled

from chassis.bus import Envelope
from chassis.db import Tx
from chassis.floor import open_floor
from chassis.inbox import retry_held
from chassis.settings import ServiceSettings
from contracts.event import Event
from testkit.reliability import Reliability

SettingsOf = Callable[..., ServiceSettings]
NEXT_TOPIC = "mill.grain_milled.v2"


class FinerGrainMilled(Event, topic=bakery.GrainMilled.topic, aggregate="sack", key="sack_id"):
    """The contract one version on: a field was added, and the number may be missing."""

    sack_id: UUID
    number: int = 0
    fineness: str | None = None


async def bake_finer(tx: Tx, event: FinerGrainMilled) -> None:
    await bakery.bake(tx, bakery.GrainMilled(sack_id=event.sack_id, number=event.number))


NEXT_BAKER = replace(bakery.BAKER, consumes={FinerGrainMilled: bake_finer, bakery.SackChanged: bakery.keep_view})


@asynccontextmanager
async def next_version(baker: Bakery, settings_of: SettingsOf) -> AsyncIterator[Bakery]:
    """The baker as it is after its next release."""
    async with open_floor(NEXT_BAKER, settings_of(bakery.BAKER)) as floor:
        yield Bakery(floor, baker.rabbitmq_url, baker.oven)


def told(sack: UUID, seq: int, **data: object) -> Envelope:
    return milled(sack, seq, data={"sack_id": str(sack), "number": seq, **data})


async def test_a_consumer_one_version_behind_ignores_what_was_added_and_passes_over_the_next_topic(
    baker: Bakery, reliability: Reliability
) -> None:
    """A breaking change is said as a topic of its own beside the old one, as long as somebody hears the old one."""
    sacks = [uuid4() for _ in range(20)]
    newer = [told(sack, 1, fineness="coarse", origin={"mill": "north"}) for sack in sacks]
    newer += [milled(sack, 2, topic=NEXT_TOPIC, data={"sack": str(sack), "grams": 1_000}) for sack in sacks]
    async with baker.consuming():
        await baker.publish(*newer, *(milled(sack, 3, number=2) for sack in sacks))
        await eventually(lambda: baker.has_baked(40))

    reliability.record("F-D17", faults=len(newer), at_least=40, tally=await baker.tally(dict.fromkeys(sacks, 2)))
    assert [await baker.last_seq(sack) for sack in sacks] == [3] * 20
    assert await baker.held() == []
    assert await baker.dead_letters(0)


async def test_a_consumer_one_version_ahead_reads_what_lacks_the_added_field(
    baker: Bakery, settings_of: SettingsOf, reliability: Reliability
) -> None:
    sacks = [uuid4() for _ in range(20)]
    async with next_version(baker, settings_of) as ahead, ahead.consuming():
        await ahead.publish(*(told(sack, 1) for sack in sacks), *(told(sack, 2, fineness="fine") for sack in sacks))
        await eventually(lambda: ahead.has_baked(40))

    reliability.record("F-D17", faults=len(sacks), at_least=20, tally=await baker.tally(dict.fromkeys(sacks, 2)))
    assert await baker.held() == []


async def test_data_that_fails_its_model_is_held_and_applied_in_order_by_the_version_that_can_read_it(
    baker: Bakery, settings_of: SettingsOf, reliability: Reliability
) -> None:
    failing, others = [uuid4() for _ in range(5)], [uuid4() for _ in range(15)]
    async with baker.consuming():
        await baker.publish(*(milled(sack, 1, data={"sack_id": str(sack)}) for sack in failing))
        await baker.publish(*(told(sack, seq) for seq in (2, 3) for sack in failing))
        await baker.publish(*(told(sack, seq) for seq in (1, 2, 3) for sack in others))
        await eventually(lambda: baker.has_baked(45))
        await eventually(lambda: baker.holds(15))
        await eventually(lambda: _all_unreadable(baker, failing))

    async with next_version(baker, settings_of) as ahead:
        assert await retry_held(ahead.floor) == (15, 0)

    tally = await baker.tally(dict.fromkeys(others, 3))
    reliability.record("F-D17", faults=len(failing), at_least=5, tally=tally, held=15)
    assert [await baker.baked(sack) for sack in failing] == [[0, 2, 3]] * 5
    assert await baker.dead_letters(0)


async def _all_unreadable(baker: Bakery, sacks: list[UUID]) -> bool:
    """Whether the first event of each of these is held for its data; one that is being tried reads "interrupted"."""
    firsts = {row["aggregate_id"]: row["reason"] for row in await baker.held() if row["seq"] == 1}
    return firsts == dict.fromkeys(sacks, "unreadable")
