"""The broker dies under load: what it has confirmed it still has, and the backlog drains when it is back (F-D7)."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from aio_pika import ExchangeType
from aio_pika.abc import AbstractQueue

from chassis.bus import EXCHANGE, Envelope, connect
from packhouse.stack import Stack
from testkit.relays import relaying
from testkit.reliability import Reliability, Tally
from testkit.sample.bench import Bench, opened
from testkit.sample.manifest import ThingSaid
from testkit.servers import TestServers
from testkit.tap import eventually

EMPTY_WITHIN = 30.0
BACKLOG = 100
WRITTEN_DOWN_SECONDS = 2.0
QUEUE = "tests.broker-killed"


@pytest.fixture
async def bench(stack: Stack) -> AsyncIterator[Bench]:
    """The sample service on the servers of the stack, which are ours to kill."""
    async with opened(TestServers(stack.home)) as bench:
        yield bench


async def seconds_to_empty(bench: Bench) -> float:
    """How long the outbox needs from now until everything in it is published."""
    began = time.monotonic()

    async def empty() -> bool:
        return await bench.count("outbox") == 0

    await eventually(empty, seconds=60)
    return time.monotonic() - began


async def durable_queue(bench: Bench) -> None:
    """The broker writes down where a new quorum queue lives within a second; one killed before that loses the queue."""
    connection = await connect(bench.settings.rabbitmq_url, "test")
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "sample.#")
    await asyncio.sleep(WRITTEN_DOWN_SECONDS)


async def delivered(bench: Bench, count: int) -> list[Envelope]:
    """All that the queue has, in its order; the queue is gone then."""
    connection = await connect(bench.settings.rabbitmq_url, "test")
    async with connection:
        channel = await connection.channel()
        queue: AbstractQueue = await channel.get_queue(QUEUE)
        heard: list[Envelope] = []
        while len({event.event_id for event in heard}) < count:
            message = await queue.get(no_ack=True, fail=False, timeout=10)
            if message is None:
                break
            heard.append(Envelope.from_message(message))
        await queue.delete(if_unused=False, if_empty=False)
        return heard


def firsts(heard: list[Envelope]) -> list[tuple[UUID, int]]:
    """Aggregate and number of each event, where it was heard first: a repeat is the inbox's to find."""
    return list(dict.fromkeys((event.aggregate_id, event.seq) for event in heard))


@pytest.mark.parametrize(
    ("kills", "events"), [(1, 1000), pytest.param(5, 10_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])]
)
async def test_a_broker_that_is_killed_under_load_loses_nothing_it_has_confirmed(
    stack: Stack, bench: Bench, reliability: Reliability, kills: int, events: int
) -> None:
    things, broker = [uuid4() for _ in range(20)], stack.servers.rabbitmq
    rounds, deaths, drained = events // 20, 0, []
    when = {(place + 1) * rounds // (kills + 1) for place in range(kills)}
    await durable_queue(bench)
    async with relaying(bench.floor):
        for number in range(rounds):
            await bench.say(*(ThingSaid(thing_id=thing, text="x", number=number) for thing in things))
            if number in when:
                published = await bench.count("outbox_archive")
                await asyncio.to_thread(broker.kill)
                deaths += 1
                assert published > 0, "nothing was confirmed when the broker died: the test proves nothing"
                await bench.say(*(ThingSaid(thing_id=uuid4(), text="said while it is dead") for _ in range(BACKLOG)))
                await asyncio.to_thread(broker.start)
                drained.append(await seconds_to_empty(bench))
        await seconds_to_empty(bench)

    said = dict.fromkeys(things, rounds)
    heard = await delivered(bench, events + BACKLOG * kills)
    tally = Tally.of([place for place in firsts(heard) if place[0] in said], said)
    reliability.record(
        "F-D7",
        faults=deaths,
        at_least=kills,
        tally=tally,
        recovery_seconds=max(drained),
        events=await bench.count("outbox_archive"),
        duplicates_on_the_wire=len(heard) - len(firsts(heard)),
    )
    assert max(drained) <= EMPTY_WITHIN
    assert len(firsts(heard)) == events + BACKLOG * kills
