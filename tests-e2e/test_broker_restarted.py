"""The broker goes while a consumer holds deliveries that it has applied and not acknowledged yet (F-D8)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chassis import failpoints
from chassis.auth import init_keys, key_path, trust_path
from chassis.bus import EXCHANGE, Envelope, connect, declare, inbox_queue
from chassis.db import Tx
from chassis.floor import Floor, open_floor
from chassis.ids import new_id
from chassis.inbox import Consumer
from chassis.inbox.session import PREFETCH
from packhouse.servers import RabbitMQ
from packhouse.servers.rabbitmq import VHOST
from packhouse.stack import Stack
from testkit.reliability import Reliability, Tally, counted
from testkit.sample.bench import opened
from testkit.sample.manifest import SERVICE, Told
from testkit.servers import TestServers
from testkit.tap import eventually

WRITTEN_DOWN_SECONDS = 2.0
UNACKNOWLEDGED = "inbox.after_commit=sleep:2"
_EFFECTS = "select facts ->> 'tale' as tale, (facts ->> 'number')::int as number from things order by price_cents"
_place = count()


async def note(tx: Tx, event: Told) -> None:
    """Each effect is a row of its own, so that a second one shows; the price tells their order."""
    await tx.run(
        "insert into things (id, name, colour, price_cents, facts) values ($1, $2, 'red', $3, $4)",
        new_id(),
        str(new_id()),
        next(_place),
        {"tale": str(event.tale_id), "number": int(event.text)},
    )


LISTENER = replace(SERVICE, consumes={Told: note})


@pytest.fixture
async def floor(stack: Stack, tmp_path: Path) -> AsyncIterator[Floor]:
    """The sample service on the servers of the stack, whose broker is ours to end."""
    init_keys(tmp_path, (SERVICE.name,))
    keys = {"key_file": key_path(tmp_path, SERVICE.name), "trust_file": trust_path(tmp_path)}
    async with opened(TestServers(stack.home)) as bench:
        async with open_floor(LISTENER, bench.settings.model_copy(update=keys)) as floor:
            await durable_queue(floor)
            yield floor
        failpoints.arm("")


async def durable_queue(floor: Floor) -> None:
    """The broker writes down where a new quorum queue lives within a second; one killed before that loses the queue."""
    connection = await connect(floor.settings.rabbitmq_url, "test")
    async with connection:
        await declare(await connection.channel(), LISTENER)
    await asyncio.sleep(WRITTEN_DOWN_SECONDS)


@asynccontextmanager
async def consuming(floor: Floor) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(Consumer(floor).run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)


def told(tale: UUID, number: int) -> Envelope:
    return Envelope(
        event_id=uuid4(),
        topic=Told.topic,
        source=Told.source(),
        epoch=1,
        aggregate_type=Told.aggregate,
        aggregate_id=tale,
        seq=number,
        baseline=False,
        occurred_at=datetime.now(UTC),
        traceparent=None,
        request_id="test",
        actor=None,
        data={"tale_id": str(tale), "text": str(number)},
    )


async def publish(floor: Floor, events: Sequence[Envelope]) -> None:
    connection = await connect(floor.settings.rabbitmq_url, "test")
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(EXCHANGE)
        await asyncio.gather(*(exchange.publish(event.to_message(), event.routing_key) for event in events))


async def effects(floor: Floor) -> list[tuple[UUID, int]]:
    async with floor.db.reader() as db:
        return [(UUID(row["tale"]), row["number"]) for row in await db.fetch(_EFFECTS)]


async def has_applied(floor: Floor, number: int) -> bool:
    return len(await effects(floor)) >= number


async def unacknowledged(broker: RabbitMQ) -> int:
    """Deliveries that the consumer holds."""
    told = await asyncio.to_thread(
        broker.control, "list_queues", "-p", VHOST, "name", "messages_unacknowledged", "--no-table-headers"
    )
    held = dict(line.split("\t") for line in told.splitlines() if "\t" in line)
    return int(held.get(inbox_queue(SERVICE.name), 0))


async def goes_while_all_is_unacknowledged(
    floor: Floor, broker: RabbitMQ, end: Callable[[], None], events: Sequence[Envelope]
) -> int:
    """End the broker and start it again; answers how many deliveries the consumer held then."""
    failpoints.arm(UNACKNOWLEDGED)
    await publish(floor, events)

    async def full() -> bool:
        return await unacknowledged(broker) == PREFETCH

    await eventually(full, seconds=60)
    await asyncio.to_thread(end)
    failpoints.arm("")
    await asyncio.to_thread(broker.start)
    return PREFETCH


@pytest.mark.parametrize(
    ("restarts", "each"), [(2, 25), pytest.param(10, 50, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
@pytest.mark.timeout(300)
async def test_a_broker_that_goes_while_deliveries_are_unacknowledged_doubles_no_effect(
    stack: Stack, floor: Floor, reliability: Reliability, restarts: int, each: int
) -> None:
    """By turns it is asked to end and killed. What it sends again is found to be there already."""
    broker, tales, recovered = stack.servers.rabbitmq, [uuid4() for _ in range(20)], []
    assert isinstance(broker, RabbitMQ)
    ends, held = (broker.stop, broker.kill), 0
    before = counted("inbox_events_total", outcome="duplicate")
    async with consuming(floor):
        for restart in range(restarts):
            numbers = range(restart * each + 1, (restart + 1) * each + 1)
            events = [told(tale, number) for number in numbers for tale in tales]
            held += await goes_while_all_is_unacknowledged(floor, broker, ends[restart % 2], events)
            back_at = time.monotonic()
            await eventually(lambda number=numbers[-1]: has_applied(floor, number * 20), seconds=120)
            recovered.append(time.monotonic() - back_at)

    repeated = counted("inbox_events_total", outcome="duplicate") - before
    reliability.record(
        "F-D8",
        faults=held // PREFETCH,
        at_least=restarts,
        tally=Tally.of(await effects(floor), dict.fromkeys(tales, restarts * each)),
        recovery_seconds=max(recovered),
        delivered_again=repeated,
    )
    assert repeated >= restarts
