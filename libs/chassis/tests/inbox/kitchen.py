"""What tests of the inbox say and ask: the mill and its events, and a view of what the baker's inbox did."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import asyncpg
import bakery
from bakery import GrainMilled

from chassis.bus import EXCHANGE, Envelope, connect, dead_letter_queue
from chassis.floor import Floor
from chassis.inbox import Consumer
from chassis.inbox.source import history, one_moment
from chassis.loops import Wake, repeat
from kernel.scope import Actor
from testkit.relays import relaying
from testkit.reliability import Tally


def milled(
    sack_id: UUID, seq: int, *, number: int | None = None, baseline: bool = False, epoch: int = 1, **changed: Any
) -> Envelope:
    """What the mill says as its `seq`-th event of a sack."""
    envelope = Envelope(
        event_id=uuid4(),
        topic=bakery.GrainMilled.topic,
        source="mill",
        epoch=epoch,
        aggregate_type="sack",
        aggregate_id=sack_id,
        seq=seq,
        baseline=baseline,
        occurred_at=datetime.now(UTC),
        traceparent=None,
        request_id=f"r-{seq}",
        actor=None,
        data={"sack_id": str(sack_id), "number": seq if number is None else number},
    )
    return replace(envelope, **changed)


async def eventually(condition: Callable[[], Awaitable[Any]], seconds: float = 15.0) -> Any:
    """Wait until the condition holds, and answer what it gave; fails the test after so many seconds."""
    ends_at = time.monotonic() + seconds
    while True:
        got = await condition()
        if got:
            return got
        assert time.monotonic() < ends_at, f"not within {seconds} s: {condition}"
        await asyncio.sleep(0.05)


@dataclass
class Bakery:
    """The baker's floor, and a view of what its inbox did."""

    floor: Floor
    rabbitmq_url: str
    oven: bakery.Oven = field(default_factory=lambda: bakery.OVEN)

    async def rows(self, sql: str, *args: object) -> list[Any]:
        async with self.floor.db.reader() as db:
            return await db.fetch(sql, *args)

    async def baked(self, sack_id: UUID | None = None) -> list[int]:
        """Numbers in the order in which they were applied."""
        rows = await self.rows("select number from loaves where $1::uuid is null or sack_id = $1 order by n", sack_id)
        return [row["number"] for row in rows]

    async def held(self) -> list[Any]:
        return await self.rows("select * from inbox_held order by aggregate_id, seq")

    async def last_seq(self, sack_id: UUID) -> int | None:
        rows = await self.rows("select last_seq from inbox_stream where aggregate_id = $1", sack_id)
        return rows[0]["last_seq"] if rows else None

    async def violations(self) -> int:
        """Loaves that were not baked right after the number before them."""
        rows = await self.rows("""
            select count(*) from (
                select number, lag(number, 1, 0) over (partition by sack_id order by n) as before from loaves) x
            where number <> before + 1""")
        count: int = rows[0]["count"]
        return count

    async def tally(self, expected: Mapping[UUID, int]) -> Tally:
        """Lost, doubled and inverted loaves, when of each sack the numbers up to the expected one should be there."""
        rows = await self.rows("select sack_id, number from loaves order by n")
        return Tally.of(((row["sack_id"], row["number"]) for row in rows), expected)

    async def comes_to_rest(self, count: int, *, patience: float = 10.0) -> None:
        """Return when so many loaves are baked and nothing is held, or when nothing has changed for so long."""
        state, since = None, time.monotonic()
        while time.monotonic() - since < patience:
            baked, held = len(await self.baked()), len(await self.held())
            if baked >= count and not held:
                return
            if (baked, held) != state:
                state, since = (baked, held), time.monotonic()
            await asyncio.sleep(0.05)

    async def has_baked(self, count: int) -> bool:
        return len(await self.baked()) == count

    async def holds(self, count: int) -> bool:
        return len(await self.held()) == count

    async def has_attempts(self, sack_id: UUID, attempts: int) -> bool:
        """Whether an event of this sack has failed at least so many times."""
        return any(row["attempts"] >= attempts for row in await self.held() if row["aggregate_id"] == sack_id)

    async def dead_letters(self, count: int) -> bool:
        return await self.queue_length(dead_letter_queue("baker")) == count

    async def audited(self) -> list[str]:
        return [row["action"] for row in await self.rows("select action from audit_logs order by seq")]

    async def publish(self, *envelopes: Envelope) -> None:
        await self.publish_raw(*((one.routing_key, one.to_message()) for one in envelopes))

    async def publish_raw(self, *messages: tuple[str, aio_pika.Message]) -> None:
        connection = await connect(self.rabbitmq_url, "test")
        async with connection:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(EXCHANGE)
            await asyncio.gather(*(exchange.publish(message, routing_key=key) for key, message in messages))

    async def queue_length(self, name: str = "baker.inbox") -> int:
        """Messages that wait, without those a consumer holds."""
        return int((await self._queue_now(name)).message_count or 0)

    async def has_a_consumer(self) -> bool:
        """Whether somebody hears the inbox's queue; who only stands by is not counted by the broker."""
        return (await self._queue_now("baker.inbox")).consumer_count == 1

    async def _queue_now(self, name: str) -> Any:
        connection = await connect(self.rabbitmq_url, "test")
        async with connection:
            channel = await connection.channel()
            return (await channel.declare_queue(name, passive=True)).declaration_result

    @asynccontextmanager
    async def unbound(self, pattern: str) -> AsyncIterator[None]:
        """As if somebody had removed this binding of the inbox while the block runs."""
        connection = await connect(self.rabbitmq_url, "test")
        async with connection:
            channel = await connection.channel()
            queue = await channel.get_queue("baker.inbox", ensure=False)
            await queue.unbind(EXCHANGE, pattern)
            yield
            await queue.bind(EXCHANGE, pattern)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Consumer]:
        """A consumer whose retries run while the block does; deliveries are handed to it, without a broker."""
        consumer, stop, wake = Consumer(self.floor), asyncio.Event(), Wake()
        running = asyncio.create_task(repeat("retries", stop, consumer.retrier.step, wake))
        try:
            yield consumer
        finally:
            stop.set()
            await asyncio.wait_for(running, 20)

    @asynccontextmanager
    async def consuming(self) -> AsyncIterator[Consumer]:
        """A consumer that runs while the block does."""
        consumer, stop = Consumer(self.floor), asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        try:
            yield consumer
        finally:
            stop.set()
            await asyncio.wait_for(running, 20)


@dataclass
class Mill:
    """The mill's floor, with what it says and forgets."""

    floor: Floor
    admin_url: str

    async def says(self, sack: UUID, numbers: range) -> list[Envelope]:
        """Commit these events, and answer them as they will be published."""
        for number in numbers:
            async with self.floor.db.transaction(actor=Actor.job("test"), request_id="r") as tx:
                await tx.run(
                    """insert into sacks (id, version, weight) values ($1, $2::int, $2::int)
                    on conflict (id) do update set version = excluded.version, weight = excluded.weight""",
                    sack,
                    number,
                )
                tx.emit(GrainMilled(sack_id=sack, number=number))
        async with one_moment(self.floor.db) as db:
            return await history(db, bakery.MILL, "sack", sack, 1)

    async def forgets(self, sack: UUID, up_to: int) -> None:
        """As if the archive had been pruned."""
        connection = await asyncpg.connect(self.admin_url)
        await connection.execute("delete from mill.outbox where aggregate_id = $1 and aggregate_seq <= $2", sack, up_to)
        await connection.close()

    async def archives(self) -> None:
        """As if the relay had published everything."""
        connection = await asyncpg.connect(self.admin_url)
        await connection.execute(
            "with gone as (delete from mill.outbox returning *) insert into mill.outbox_archive select * from gone"
        )
        await connection.close()

    async def waiting(self) -> list[asyncpg.Record]:
        async with self.floor.db.reader() as db:
            return await db.fetch("select * from outbox order by id")

    async def has_published_all(self) -> bool:
        return not await self.waiting()

    async def published(self) -> int:
        """How many events the relay holds to be published."""
        async with self.floor.db.reader() as db:
            return int(await db.fetchval("select count(*) from outbox_archive"))

    def relaying(self) -> AbstractAsyncContextManager[None]:
        return relaying(self.floor)
