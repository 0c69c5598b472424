"""Each event once and in the order of its aggregate, whatever the network and the handlers do (reliability P4, P5)."""

import asyncio
from uuid import uuid4

import pytest
from bakery import SackChanged
from kitchen import Bakery, milled

from chassis.bus import Envelope
from chassis.inbox import Consumer
from testkit.reliability import Reliability

WINDOW = 6
"""By so many places an event may come too early or too late."""


def weighed(envelope: Envelope, version: int, weight: int) -> Envelope:
    """The same place in the stream, told as a snapshot."""
    data = {"sack_id": str(envelope.aggregate_id), "version": version, "weight": weight}
    return milled(
        envelope.aggregate_id,
        envelope.seq,
        topic=SackChanged.topic,
        baseline=envelope.baseline,
        epoch=envelope.epoch,
        data=data,
    )


@pytest.mark.plant("inbox applies a gap")
@pytest.mark.plant("inbox passes over a failure")
async def test_shuffled_duplicated_failing_deliveries_are_applied_once_and_in_order(
    baker: Bakery, reliability: Reliability
) -> None:
    chance, sacks = reliability.chance, [uuid4() for _ in range(20)]
    events = [milled(sack, seq) for sack in sacks for seq in range(1, 51)]
    twice = chance.sample(events, len(events) // 5)
    waiting = sorted([*events, *twice], key=lambda one: one.seq + chance.random() * WINDOW, reverse=True)
    baker.oven.error_rate = 0.05

    async with baker.working() as consumer:

        async def worker() -> None:
            while waiting:
                await consumer.apply([waiting.pop() for _ in range(min(len(waiting), chance.randint(1, 8)))])

        await asyncio.gather(*(worker() for _ in range(8)))
        await baker.comes_to_rest(len(events))

    reliability.record(
        "F-D11",
        faults=baker.oven.burnt,
        tally=await baker.tally(dict.fromkeys(sacks, 50)),
        events=len(events),
        duplicates=len(twice),
    )
    assert await baker.held() == []


async def test_each_event_twice_gives_the_same_state(baker: Bakery) -> None:
    sack = uuid4()
    events = [milled(sack, seq) for seq in range(1, 21)]
    consumer = Consumer(baker.floor)
    for event in events:
        await consumer.apply([event, event])
    await consumer.apply(events)

    assert await baker.baked(sack) == list(range(1, 21))


async def test_many_streams_in_one_delivery_batch_are_moved_together(baker: Bakery) -> None:
    sacks = [uuid4() for _ in range(20)]
    await Consumer(baker.floor).apply([milled(sack, seq) for seq in (2, 1, 3) for sack in sacks])

    assert [await baker.baked(sack) for sack in sacks] == [[1, 2, 3]] * 20


async def test_an_event_waits_for_the_number_before_it(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply(milled(sack, 1))
    await consumer.apply([milled(sack, 3), milled(sack, 4)])
    assert await baker.baked(sack) == [1]
    assert [row["seq"] for row in await baker.held()] == [3, 4]

    await consumer.apply(milled(sack, 2))
    assert await baker.baked(sack) == [1, 2, 3, 4]
    assert await baker.held() == []


async def test_an_ordinary_snapshot_never_opens_a_stream(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply(weighed(milled(sack, 5), version=5, weight=50))

    assert await baker.last_seq(sack) == 0
    assert await baker.rows("select * from sack_views") == []


async def test_a_baseline_opens_a_stream_and_replaces_what_was_held_below_it(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply([milled(sack, 3), milled(sack, 8)])
    await consumer.apply(weighed(milled(sack, 7, baseline=True), version=7, weight=70))

    assert await baker.baked(sack) == [8]
    assert await baker.last_seq(sack) == 8
    assert await baker.held() == []


async def test_a_baseline_on_a_stream_with_history_waits_its_turn(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply([milled(sack, 1), weighed(milled(sack, 4, baseline=True), version=4, weight=40)])

    assert await baker.last_seq(sack) == 1
    assert [row["seq"] for row in await baker.held()] == [4]


async def test_a_failing_first_event_is_history_that_a_baseline_does_not_jump(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    baker.oven.poison = {(sack, 1)}
    await consumer.apply(milled(sack, 1))
    await consumer.apply(weighed(milled(sack, 6, baseline=True), version=6, weight=60))

    assert [row["seq"] for row in await baker.held()] == [1, 6]
    assert await baker.rows("select * from sack_views") == []


async def test_a_higher_epoch_starts_a_stream_and_its_versions_anew_by_baseline(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply([*(milled(sack, seq) for seq in range(1, 10)), weighed(milled(sack, 10), 10, 100)])
    await consumer.apply(milled(sack, 7, epoch=2, number=70))
    assert await baker.last_seq(sack) == 0, "an ordinary event does not open the stream in its new epoch"

    await consumer.apply(weighed(milled(sack, 6, epoch=2, baseline=True), version=6, weight=60))
    await consumer.apply([milled(sack, 11, number=99), weighed(milled(sack, 12), 11, 110)])

    assert await baker.baked(sack) == [*range(1, 10), 70]
    assert [tuple(row) for row in await baker.rows("select version, weight from sack_views")] == [(6, 60)]
    assert await baker.last_seq(sack) == 7, "the old epoch has nothing to say any more"


@pytest.mark.parametrize("topic", ["mill.grain_lost.v1", "mill.grain_milled.v2"])
async def test_a_topic_the_manifest_does_not_name_only_moves_the_number(baker: Bakery, topic: str) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply(milled(sack, 1))
    await consumer.apply(milled(sack, 2, topic=topic, data={"something": "new"}))
    await consumer.apply(milled(sack, 3))

    assert await baker.baked(sack) == [1, 3]
    assert await baker.held() == []


async def test_a_field_the_consumer_does_not_know_is_ignored(baker: Bakery) -> None:
    sack = uuid4()
    await Consumer(baker.floor).apply(milled(sack, 1, data={"sack_id": str(sack), "number": 1, "colour": "brown"}))

    assert await baker.baked(sack) == [1]
