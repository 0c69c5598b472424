"""A consumer that is slow, or whose queue takes nothing more, delays nobody else, and gets all in the end (F-D14)."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from aio_pika.abc import AbstractQueue
from bakery import DustRaised
from kitchen import Bakery, Mill, eventually
from workers import LONG, Form, mill_says

from chassis.bus import EXCHANGE, connect
from kernel.scope import Actor
from testkit.reliability import Reliability, counted
from testkit.servers import TestServers
from testkit.tap import tapped

SLOW_SECONDS = 0.2
LOOKED_AT_SECONDS, DUST_EVERY_SECONDS = 10.0, 0.02
OTHERS_LAG_SECONDS = 2.0
FULL = 50
ATTEMPTS_MAX = 12
"""At one event in ten seconds: the pauses between them double from 0.2 s, each drawn from up to so much."""
FORMS = [Form(1, 20, 50), pytest.param(Form(1, 40, 250), marks=LONG)]


async def others_lag(source: Mill, rabbitmq_url: str) -> float:
    """The longest time from a fact to the ear of somebody else, at fifty a second for ten seconds."""
    said, ends_at = 0, time.monotonic() + LOOKED_AT_SECONDS
    async with tapped(rabbitmq_url, "mill.cloud.#") as other:
        while time.monotonic() < ends_at:
            async with source.floor.db.transaction(actor=Actor.job("test"), request_id="r") as tx:
                tx.emit(DustRaised(cloud_id=uuid4()))
            said += 1
            await asyncio.sleep(DUST_EVERY_SECONDS)
        await other.until(said)
        return max(other.lags)


async def mill_says_all(source: Mill, sacks: Sequence[UUID], each: int) -> None:
    await mill_says(source.floor, sacks, range(1, each + 1))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.events)
async def test_a_slow_consumer_delays_nobody_else_and_gets_all_in_the_end(
    baker: Bakery, source: Mill, servers: TestServers, reliability: Reliability, form: Form
) -> None:
    sacks, before = [uuid4() for _ in range(form.aggregates)], _refused()
    baker.oven.seconds = SLOW_SECONDS
    async with source.relaying():
        await mill_says_all(source, sacks, form.each)
        await eventually(source.has_published_all, seconds=120)
        async with baker.consuming():
            lag = await others_lag(source, baker.rabbitmq_url)
            behind = form.events - len(await baker.baked())
            alarms = await asyncio.to_thread(servers.broker_alarms)
            baker.oven.seconds, began = 0.0, time.monotonic()
            await baker.comes_to_rest(form.events)
            caught_up_after = time.monotonic() - began

    reliability.record(
        "F-D14",
        faults=behind,
        at_least=form.events // 2,
        tally=await baker.tally(dict.fromkeys(sacks, form.each)),
        recovery_seconds=caught_up_after,
        events=form.events,
        others_lag_s=round(lag, 3),
        publishes_refused=_refused() - before,
    )
    assert lag <= OTHERS_LAG_SECONDS
    assert alarms == "[]"


@asynccontextmanager
async def queue_that_fills_up(rabbitmq_url: str) -> AsyncIterator[AbstractQueue]:
    """One of another service that consumes nothing and takes fifty events; from then on the broker refuses."""
    connection = await connect(rabbitmq_url, "test")
    async with connection:
        channel = await connection.channel()
        arguments = {"x-queue-type": "quorum", "x-max-length": FULL, "x-overflow": "reject-publish"}
        queue = await channel.declare_queue(f"full-{uuid4()}", durable=True, arguments=arguments)
        await queue.bind(EXCHANGE, "mill.sack.#")
        try:
            yield queue
        finally:
            await queue.delete(if_unused=False, if_empty=False)


async def test_a_queue_that_refuses_makes_the_relay_back_off_and_loses_nothing(
    baker: Bakery, source: Mill, reliability: Reliability
) -> None:
    """What is refused for one queue may be in another: it comes there again, and is applied once."""
    sacks, before = [uuid4() for _ in range(20)], _refused()
    async with baker.consuming(), source.relaying():
        async with queue_that_fills_up(baker.rabbitmq_url):
            await mill_says_all(source, sacks, 50)
            await eventually(lambda: _was_refused(before + len(sacks)))
            full_since = _refused()
            lag = await others_lag(source, baker.rabbitmq_url)
            refused_while_full = _refused() - full_since
        began = time.monotonic()
        await baker.comes_to_rest(1000, patience=35.0)
        caught_up_after = time.monotonic() - began

    reliability.record(
        "F-D14",
        faults=int(_refused() - before),
        at_least=len(sacks),
        tally=await baker.tally(dict.fromkeys(sacks, 50)),
        recovery_seconds=caught_up_after,
        events=1000,
        others_lag_s=round(lag, 3),
        refused_while_full=refused_while_full,
    )
    assert lag <= OTHERS_LAG_SECONDS
    assert refused_while_full <= ATTEMPTS_MAX * len(sacks)
    assert await baker.held() == []


def _refused() -> float:
    return counted("outbox_publish_errors_total", service="mill")


async def _was_refused(times: float) -> bool:
    return _refused() >= times
