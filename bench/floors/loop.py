"""The least that an event can cost: raw confirmed publishing, and one NOTIFY-publish-consume loop."""

import asyncio
import time
from collections.abc import Sequence
from uuid import uuid4

import aio_pika
import asyncpg

SCHEMA = """
drop schema if exists bare_loop cascade; create schema bare_loop;
create table bare_loop.said (id uuid primary key, at double precision not null);
create table bare_loop.heard (id uuid primary key);
create function bare_loop.tell() returns trigger language plpgsql as
$$ begin perform pg_notify('bare_applied', new.id::text); return new; end $$;
create trigger told after insert on bare_loop.heard for each row execute function bare_loop.tell();
"""


async def published(url: str, *, messages: int, in_flight: int = 50) -> float:
    """Confirmed, mandatory, persistent messages per second into one quorum queue."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await channel.declare_queue("bench.raw", durable=True, arguments={"x-queue-type": "quorum"})
        slots = asyncio.Semaphore(in_flight)

        async def one() -> None:
            async with slots:
                message = aio_pika.Message(b"x" * 600, delivery_mode=2, message_id=uuid4().hex)
                await channel.default_exchange.publish(message, "bench.raw", mandatory=True)

        started = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(messages)))
        spent = time.perf_counter() - started
        await queue.delete(if_empty=False, if_unused=False)
    return messages / spent


async def commit_to_applied(database: str, url: str, *, events: int, every: float) -> Sequence[float]:
    """Seconds from the commit of a row to the commit of its effect, at one event each `every` seconds.

    The effect is seen by NOTIFY, as it is for the house.
    """
    writer, listener, applier, watcher = [await asyncpg.connect(database) for _ in range(4)]
    await writer.execute(SCHEMA)
    connection = await aio_pika.connect(url)
    channel = await connection.channel(publisher_confirms=True)
    await channel.set_qos(prefetch_count=1)
    queue = await channel.declare_queue("bench.loop", durable=True, arguments={"x-queue-type": "quorum"})
    committed: dict[str, float] = {}
    applied: dict[str, float] = {}
    waiting: asyncio.Queue[str] = asyncio.Queue()
    await listener.add_listener("bare_loop", lambda *told: waiting.put_nowait(told[3]))
    await watcher.add_listener("bare_applied", lambda *told: applied.setdefault(told[3], time.perf_counter()))

    async def publish() -> None:
        while True:
            said = await waiting.get()
            message = aio_pika.Message(said.encode(), delivery_mode=2)
            await channel.default_exchange.publish(message, "bench.loop", mandatory=True)

    async def consume(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with applier.transaction():
            await applier.execute("insert into bare_loop.heard values ($1)", message.body.decode())
        await message.ack()

    publisher = asyncio.create_task(publish())
    await queue.consume(consume)
    for _ in range(events):
        said = str(uuid4())
        async with writer.transaction():
            await writer.execute("insert into bare_loop.said values ($1, 0)", said)
            await writer.execute("select pg_notify('bare_loop', $1)", said)
        committed[said] = time.perf_counter()
        await asyncio.sleep(every)
    await asyncio.sleep(0.5)
    publisher.cancel()
    await queue.delete(if_empty=False, if_unused=False)
    await connection.close()
    for open_connection in (writer, listener, applier, watcher):
        await open_connection.close()
    return [applied[said] - committed[said] for said in committed if said in applied]
