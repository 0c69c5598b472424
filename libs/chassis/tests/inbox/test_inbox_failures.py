"""What cannot be applied stops its own aggregate, and nothing else; nothing is ever lost (reliability P6, F-D13)."""

import json
from uuid import UUID, uuid4

import pytest
from aio_pika import Message
from bakery import GrainMilled
from kitchen import Bakery, eventually, milled

from chassis.bus import BODY_BYTES_MAX, dead_letter_queue
from chassis.inbox import (
    Consumer,
    drop_dead,
    drop_held,
    list_dead,
    list_held,
    requeue_dead,
    retry_held,
    show_dead,
    show_held,
)
from chassis.inbox.held import retry_delay
from kernel.refusal import NotFound


async def test_poison_event_blocks_only_its_own_aggregate_and_one_command_replays_it_in_order(baker: Bakery) -> None:
    sacks = [uuid4() for _ in range(10)]
    baker.oven.poison = {(sacks[3], 4)}
    async with baker.working() as consumer:
        await consumer.apply([milled(sack, seq) for sack in sacks for seq in range(1, 21)])
        await eventually(lambda: baker.has_attempts(sacks[3], 4))
        assert [len(await baker.baked(sack)) for sack in sacks] == [20, 20, 20, 3, 20, 20, 20, 20, 20, 20]
        assert [row["seq"] for row in await baker.held()] == list(range(4, 21))

    baker.oven.poison.clear()
    applied, still_held = await retry_held(baker.floor)

    assert (applied, still_held) == (17, 0)
    assert await baker.baked(sacks[3]) == list(range(1, 21))
    assert await baker.audited() == ["event.retry"]


async def test_a_failed_event_is_tried_again_by_itself(baker: Bakery) -> None:
    sack = uuid4()
    baker.oven.poison = {(sack, 1)}
    async with baker.working() as consumer:
        await consumer.apply([milled(sack, 1), milled(sack, 2)])
        await eventually(lambda: baker.has_attempts(sack, 2))
        baker.oven.poison.clear()
        await eventually(lambda: baker.has_baked(2))

    assert await baker.baked(sack) == [1, 2]


def test_retries_grow_from_milliseconds_to_an_hour() -> None:
    seconds = [retry_delay(attempts).total_seconds() for attempts in (1, 2, 3, 4, 5, 6, 7, 10, 99)]
    for got, wanted in zip(seconds, (0.05, 0.2, 0.8, 5, 30, 120, 600, 3600, 3600), strict=True):
        assert wanted * 0.8 <= got <= wanted * 1.2


async def test_the_third_failure_alarms_and_the_event_stays(baker: Bakery, capsys: pytest.CaptureFixture[str]) -> None:
    sack = uuid4()
    baker.oven.poison = {(sack, 1)}
    async with baker.working() as consumer:
        await consumer.apply(milled(sack, 1))
        await eventually(lambda: baker.has_attempts(sack, 3))
        await eventually(lambda: said(capsys, "inbox.alarm"))

    (held,) = await list_held(baker.floor)
    assert held.error is not None
    assert "BurntError" in held.error


async def test_a_fact_that_has_not_come_yet_is_retried_without_an_alarm(
    baker: Bakery, capsys: pytest.CaptureFixture[str]
) -> None:
    sack = uuid4()
    baker.oven.waits_for = {(sack, 1)}
    async with baker.working() as consumer:
        await consumer.apply(milled(sack, 1))
        await eventually(lambda: baker.has_attempts(sack, 3))
        baker.oven.waits_for.clear()
        await eventually(lambda: baker.has_baked(1))

    assert "inbox.alarm" not in capsys.readouterr().out


async def test_a_business_refusal_is_held_with_its_reason_and_dropping_it_moves_the_number(baker: Bakery) -> None:
    sack = uuid4()
    baker.oven.refuses = {(sack, 2)}
    await Consumer(baker.floor).apply([milled(sack, seq) for seq in (1, 2, 3)])
    refused = (await list_held(baker.floor))[0]
    assert (refused.stamp.seq, refused.reason) == (2, "refused")
    assert (await show_held(baker.floor, refused.stamp.event_id)).error == "StateConflict: STATE_CONFLICT: burnt"

    assert await drop_held(baker.floor, refused.stamp.event_id) == 1

    assert await baker.baked(sack) == [1, 3]
    assert await baker.last_seq(sack) == 3
    assert await baker.audited() == ["event.drop"]


async def test_dropping_an_event_that_waits_passes_over_it_when_its_turn_comes(baker: Bakery) -> None:
    sack, consumer = uuid4(), Consumer(baker.floor)
    await consumer.apply([milled(sack, 1), (waiting := milled(sack, 3)), milled(sack, 4)])
    await drop_held(baker.floor, waiting.event_id)
    assert await baker.baked(sack) == [1]

    await consumer.apply(milled(sack, 2))
    assert await baker.baked(sack) == [1, 2, 4]


async def test_an_unknown_held_event_cannot_be_retried_or_dropped(baker: Bakery) -> None:
    with pytest.raises(NotFound):
        await retry_held(baker.floor, uuid4())
    with pytest.raises(NotFound):
        await drop_held(baker.floor, uuid4())


async def test_bodies_that_nobody_can_read_are_held_in_their_stream(baker: Bakery) -> None:
    good, bad_json, too_large, wrong_data, other_place = (uuid4() for _ in range(5))
    huge = milled(too_large, 1, data={"sack_id": str(too_large), "number": 1, "dust": "x" * 2 * BODY_BYTES_MAX})
    liar = milled(uuid4(), 1)
    async with baker.consuming():
        await baker.publish_raw(
            _with_body(bad_json, b'{"specversion": "1.0", \x00'),
            (huge.routing_key, huge.to_message()),
            _with_body(other_place, liar.to_body()),
        )
        await baker.publish(milled(wrong_data, 1, data={"sack_id": str(wrong_data), "number": "many"}))
        await baker.publish(*(milled(sack, 2) for sack in (bad_json, too_large, wrong_data, other_place)))
        await baker.publish(milled(good, 1))
        await eventually(lambda: baker.has_baked(1))
        await eventually(lambda: baker.holds(8))

    reasons = {row["aggregate_id"]: row["reason"] for row in await baker.held() if row["seq"] == 1}
    assert reasons == dict.fromkeys((bad_json, too_large, wrong_data, other_place), "unreadable")
    assert await baker.queue_length(dead_letter_queue("baker")) == 0


async def test_only_a_message_without_a_place_goes_to_the_dead_letters_where_a_person_decides(baker: Bakery) -> None:
    sack = uuid4()
    message = milled(sack, 1).to_message()
    message.headers["seq"] = "first"
    async with baker.consuming():
        await baker.publish_raw((GrainMilled.routing_key(), message), (GrainMilled.routing_key(), Message(b"hello")))
        await baker.publish(milled(sack, 1))
        await eventually(lambda: baker.has_baked(1))
        await eventually(lambda: baker.dead_letters(2))

        dead = await list_dead(baker.floor)
        letter = next(one for one in dead if one.body == b"hello")
        assert (await show_dead(baker.floor, letter.id)).body == b"hello"
        assert await drop_dead(baker.floor, letter.id) == 1
        assert await requeue_dead(baker.floor) == 1
        await eventually(lambda: baker.dead_letters(1))
        with pytest.raises(NotFound):
            await show_dead(baker.floor, letter.id)
    assert await baker.audited() == ["dead_letter.drop", "dead_letter.requeue"]
    assert await drop_dead(baker.floor) == 1


def _with_body(sack: UUID, body: bytes) -> tuple[str, Message]:
    message = milled(sack, 1).to_message()
    message.body = body
    message.body_size = len(body)
    return GrainMilled.routing_key(), message


async def said(capsys: pytest.CaptureFixture[str], event: str) -> bool:
    """Whether a log line of this name was written since the last look."""
    lines = capsys.readouterr().out.splitlines()
    return any(json.loads(line).get("event") == event for line in lines if line.startswith("{"))
