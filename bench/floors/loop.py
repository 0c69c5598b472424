"""The least that an event can cost: raw confirmed publishing, and one NOTIFY-publish-consume loop."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
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


class Loop:
    """NOTIFY wakes a publisher, a consumer commits; that commit is seen by NOTIFY, as it is for the house."""

    def __init__(self) -> None:
        self.committed: dict[str, float] = {}
        self.applied: dict[str, float] = {}
        self._waiting: asyncio.Queue[str] = asyncio.Queue()

    async def timed(self, database: str, url: str, *, events: int, every: float) -> Sequence[float]:
        """Seconds from the commit of a row to the commit of its effect, at one event each `every` seconds."""
        async with AsyncExitStack() as opened:
            writer, listener, self._applier, watcher = [await _connected(opened, database) for _ in range(4)]
            await writer.execute(SCHEMA)
            await listener.add_listener("bare_loop", lambda *told: self._waiting.put_nowait(told[3]))
            await watcher.add_listener("bare_applied", self._seen)
            self._channel = await (await opened.enter_async_context(await aio_pika.connect(url))).channel()
            await self._channel.set_qos(prefetch_count=1)
            queue = await self._channel.declare_queue("bench.loop", durable=True, arguments={"x-queue-type": "quorum"})
            publisher = asyncio.create_task(self._publish())
            await queue.consume(self._consume)
            await self._write(writer, events, every)
            publisher.cancel()
            await queue.delete(if_empty=False, if_unused=False)
        return [self.applied[said] - self.committed[said] for said in self.committed if said in self.applied]

    async def _write(self, writer: asyncpg.Connection, events: int, every: float) -> None:
        for _ in range(events):
            said = str(uuid4())
            async with writer.transaction():
                await writer.execute("insert into bare_loop.said values ($1, 0)", said)
                await writer.execute("select pg_notify('bare_loop', $1)", said)
            self.committed[said] = time.perf_counter()
            await asyncio.sleep(every)
        await asyncio.sleep(0.5)

    def _seen(self, *told: Any) -> None:
        self.applied.setdefault(told[3], time.perf_counter())

    async def _publish(self) -> None:
        while True:
            message = aio_pika.Message((await self._waiting.get()).encode(), delivery_mode=2)
            await self._channel.default_exchange.publish(message, "bench.loop", mandatory=True)

    async def _consume(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with self._applier.transaction():
            await self._applier.execute("insert into bare_loop.heard values ($1)", message.body.decode())
        await message.ack()


async def _connected(opened: AsyncExitStack, database: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(database)
    opened.push_async_callback(connection.close)
    return connection
