"""Relay and consumer are killed, poison is sent: nothing is lost, doubled or inverted (F-D3, F-D9, F-D13).

The long forms have the counts of reliability 2.c1, the short ones those of reliability 4.
"""

import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import bakery
import pytest
from aio_pika import Message
from bakery import GrainMilled
from kitchen import Bakery, eventually, milled
from workers import LONG, SHORT, Form, mill_says, supervised

from chassis.bus import BODY_BYTES_MAX, Envelope
from chassis.floor import Floor
from chassis.inbox import drop_held, list_held, retry_held
from chassis.settings import ServiceSettings
from testkit.reliability import Reliability
from testkit.tap import tapped

AFTER = 1000
"""The number that comes after the poison."""
SettingsOf = Callable[..., ServiceSettings]


@pytest.mark.parametrize("form", [SHORT, pytest.param(Form(30, 40, 250), marks=LONG)], ids=lambda form: form.events)
async def test_a_relay_killed_between_confirm_and_move_repeats_itself_and_no_effect(
    baker: Bakery, mill: Floor, settings_of: SettingsOf, tmp_path: Path, reliability: Reliability, form: Form
) -> None:
    sacks = [uuid4() for _ in range(form.aggregates)]
    crashes = [f"relay.after_confirm=kill@{reliability.chance.randint(1, 90)}" for _ in range(form.times)]
    await mill_says(mill, sacks, range(1, form.each + 1))
    async with tapped(baker.rabbitmq_url, "mill.#") as tap, baker.consuming():
        with supervised(settings_of(bakery.MILL), "mill", tmp_path / "deaths", crashes) as relay:
            await eventually(lambda: relay.killed_at_least(form.times), seconds=15 * form.times)
            recovering = time.monotonic()
            await baker.comes_to_rest(form.events)
            recovered = time.monotonic()
        await tap.until(form.events)

    on_the_wire = len(tap.heard) - form.events
    expected = dict.fromkeys(sacks, form.each)
    reliability.record(
        "F-D3",
        faults=relay.killed,
        at_least=form.times,
        tally=await baker.tally(expected),
        recovery_seconds=recovered - recovering,
        events=form.events,
        duplicates_on_the_wire=on_the_wire,
    )
    assert on_the_wire >= 1
    assert await baker.held() == []
    assert tap.first_numbers() == {sack: list(range(1, form.each + 1)) for sack in sacks}


async def _held_for(baker: Bakery, reasons: dict[UUID, str]) -> bool:
    """Whether the first events of exactly these sacks are held, each for its reason."""
    return {row["aggregate_id"]: row["reason"] for row in await baker.held() if row["seq"] == 1} == reasons


@pytest.mark.plant("Redis mark-first")
@pytest.mark.plant("Redis mark-after")
@pytest.mark.plant("inbox moves the number apart from the effect")
@pytest.mark.parametrize("form", [SHORT, pytest.param(Form(20, 30, 100), marks=LONG)], ids=lambda form: form.events)
@pytest.mark.plant("ack before commit")
async def test_a_consumer_that_is_killed_again_and_again_loses_and_doubles_nothing(
    baker: Bakery, settings_of: SettingsOf, tmp_path: Path, reliability: Reliability, form: Form
) -> None:
    sacks, chance = [uuid4() for _ in range(form.aggregates)], reliability.chance
    events = [milled(sack, seq) for seq in range(1, form.each + 1) for sack in sacks]
    twice = chance.sample(events, form.events // 10)
    await baker.publish(*events, *twice)
    moments = ["before_commit", "after_commit"] * (form.times // 2)
    crashes = [f"inbox.{moment}=kill@{chance.randint(2, 9)}" for moment in moments]
    with supervised(settings_of(bakery.BAKER), "baker", tmp_path / "deaths", crashes) as consumer:
        await eventually(lambda: consumer.killed_at_least(form.times), seconds=15 * form.times)
        recovering = time.monotonic()
        await baker.comes_to_rest(form.events)
        recovered = time.monotonic()

    reliability.record(
        "F-D9",
        faults=consumer.killed,
        at_least=form.times,
        tally=await baker.tally(dict.fromkeys(sacks, form.each)),
        recovery_seconds=recovered - recovering,
        events=form.events,
        duplicates=len(twice),
    )
    assert await baker.held() == []
    assert await baker.dead_letters(0)


async def test_each_kind_of_poison_stops_its_own_aggregate_and_a_retry_restores_its_order(
    baker: Bakery, settings_of: SettingsOf, tmp_path: Path, reliability: Reliability
) -> None:
    """Bad JSON, 2 MB, a handler that fails and one that kills its process are held; an unknown type is passed over."""
    garbled, large, failing, unknown, killer = (uuid4() for _ in range(5))
    neighbours = [uuid4() for _ in range(10)]
    async with baker.consuming():
        await baker.publish_raw(_garbled(garbled))
        await baker.publish(
            _large(large),
            milled(failing, 1, number=bakery.FAILING),
            milled(unknown, 1, topic="mill.grain_lost.v1", data={"anything": "new"}),
        )
        await baker.publish(*(milled(sack, 2, number=AFTER) for sack in (garbled, large, failing, unknown)))
        await baker.publish(*(milled(sack, seq) for seq in (1, 2) for sack in neighbours))
        await eventually(lambda: baker.has_baked(1 + 20))
        await eventually(lambda: baker.holds(6))
        expected = {garbled: "unreadable", large: "unreadable", failing: "failed"}
        await eventually(lambda: _held_for(baker, expected))  # an attempt that is under way reads "interrupted"

    await baker.publish(milled(killer, 1, number=bakery.KILLER), milled(killer, 2, number=AFTER))
    await baker.publish(*(milled(sack, seq) for seq in (3, 4) for sack in neighbours))
    with supervised(settings_of(bakery.BAKER), "baker", tmp_path / "deaths") as consumer:
        await eventually(lambda: consumer.killed_at_least(5), seconds=60)
        await eventually(lambda: baker.has_baked(1 + 40))
    deadly = next(row for row in await baker.held() if row["aggregate_id"] == killer and row["seq"] == 1)

    baker.oven.mended = True
    await retry_held(baker.floor)
    tally = await baker.tally(dict.fromkeys(neighbours, 4))
    reliability.record("F-D13", faults=4 + consumer.killed, tally=tally, kinds=5, kills=consumer.killed)
    assert (deadly["reason"], consumer.killed) == ("interrupted", 5), "3 deliveries and 2 attempts of its own"
    assert await baker.baked(failing) == [bakery.FAILING, AFTER]
    assert await baker.baked(killer) == [bakery.KILLER, AFTER]
    assert await baker.baked(unknown) == [AFTER]
    assert {held.stamp.aggregate_id for held in await list_held(baker.floor)} == {garbled, large}
    assert await baker.dead_letters(0)
    for held in await list_held(baker.floor):
        if held.stamp.seq == 1:
            await drop_held(baker.floor, held.stamp.event_id)
    assert await baker.baked(garbled) == await baker.baked(large) == [AFTER]


def _garbled(sack: UUID) -> tuple[str, Message]:
    message = milled(sack, 1).to_message()
    message.body = b'{"specversion": "1.0", \x00'
    message.body_size = len(message.body)
    return GrainMilled.routing_key(), message


def _large(sack: UUID) -> Envelope:
    return milled(sack, 1, data={"sack_id": str(sack), "number": 1, "dust": "x" * 2 * BODY_BYTES_MAX})
