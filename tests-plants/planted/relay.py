"""Relays, and what carries their messages."""

import asyncio
from typing import Any
from weakref import WeakSet

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractConnection, AbstractExchange

from chassis.bus import EXCHANGE, Envelope, topology
from chassis.outbox import leadership, pipeline, publishing
from chassis.outbox.holding import Aggregate
from chassis.outbox.leadership import Session
from chassis.outbox.pipeline import Pipeline
from chassis.outbox.publishing import NotPublished
from planted.registry import plant, replace_everywhere, replaced

SILENCE = "events, and silence for"


@plant("relay marks before publishing", evidence=SILENCE)
def mark_first() -> None:
    publish_first = Pipeline._publish_first

    async def marked(self: Pipeline, aggregate: Aggregate) -> None:
        await pipeline.move(self._session, [self._queues[aggregate][0]])
        await publish_first(self, aggregate)

    Pipeline._publish_first = marked  # type: ignore[method-assign]


@plant("no hold after a failed publish", evidence="Differing items|first_numbers")
def skip_failures() -> None:
    def skip(self: Pipeline, aggregate: Aggregate, _: NotPublished) -> None:
        queue = self._queues[aggregate]
        self._let_go([queue.popleft()])
        if queue:
            self._ready.put_nowait(aggregate)
        else:
            del self._queues[aggregate]

    Pipeline._hold = skip  # type: ignore[method-assign]


@plant("held rows fill the batch", evidence=SILENCE)
def scan_held_rows() -> None:
    async def take(self: Pipeline) -> int:
        waiting = set(self._holds.waiting())
        rows = await self._session.fetch(pipeline.SCAN, [], [], [], pipeline.BATCH)
        for row in rows:
            aggregate = (row["aggregate_type"], row["aggregate_id"])
            if row["id"] not in self._in_hand and aggregate not in waiting:
                self._enqueue(aggregate, row)
        await asyncio.sleep(0.01)
        return len(rows)

    Pipeline._take = take  # type: ignore[method-assign]


@plant("cursor relay", evidence=SILENCE)
def cursor() -> None:
    last = 0

    async def take(self: Pipeline) -> int:
        nonlocal last
        statement = replaced(pipeline.SCAN, "order by", f"and id > {last} order by")
        rows = await self._session.fetch(statement, [], [], [], pipeline.BATCH)
        for row in rows:
            last = max(last, row["id"])
            self._enqueue((row["aggregate_type"], row["aggregate_id"]), row)
        return len(rows)

    Pipeline._take = take  # type: ignore[method-assign]


@plant("two SKIP LOCKED relays", evidence=r"inverted=[1-9]")
def skip_locked() -> None:
    """Every relay publishes a batch at a time; each leaves out those that another has in hand."""
    ask, lock, at_work = leadership.try_lead, asyncio.Lock(), WeakSet[Pipeline]()

    async def anyway(session: Session, service: str) -> bool:
        await ask(session, service)
        return True

    async def take(self: Pipeline) -> int:
        at_work.add(self)
        async with lock:
            living = [other for other in at_work if not other._session._connection.is_closed()]
            taken = [row for other in living for row in other._in_hand]
            rows = await self._session.fetch(pipeline.SCAN, taken, [], [], pipeline.BATCH)
            for row in rows:
                self._enqueue((row["aggregate_type"], row["aggregate_id"]), row)
        return len(rows)

    leadership.try_lead = anyway
    pipeline.BATCH = pipeline.READ_AHEAD = 40
    Pipeline._take = take  # type: ignore[method-assign]


@plant("confirms off", evidence=SILENCE)
def without_confirms() -> None:
    _open_channels(publisher_confirms=False, on_return_raises=False)


@plant("on_return_raises off", evidence=r"assert 0 == 300")
def without_returns() -> None:
    _open_channels(publisher_confirms=True, on_return_raises=False)


def _open_channels(**options: bool) -> None:
    async def careless(connection: AbstractConnection) -> AbstractExchange:
        channel = await connection.channel(**options)
        return await channel.declare_exchange(EXCHANGE, "topic", durable=True)

    publishing.open_exchange = careless


@plant("delivery_mode=1", evidence="PERSISTENT")
def transient() -> None:
    to_message = Envelope.to_message

    def fleeting(self: Envelope) -> Message:
        message = to_message(self)
        message.delivery_mode = DeliveryMode.NOT_PERSISTENT
        return message

    Envelope.to_message = fleeting  # type: ignore[method-assign]


@plant("no delivery limit", evidence="inequivalent arg .x-delivery-limit")
def without_limit() -> None:
    declare = topology.declare

    class Lenient:
        """A channel that forgets the limit."""

        def __init__(self, channel: Any) -> None:
            self._channel = channel

        def __getattr__(self, name: str) -> Any:
            return getattr(self._channel, name)

        async def declare_queue(self, *names: str, arguments: dict[str, Any], **options: Any) -> Any:
            kept = {name: value for name, value in arguments.items() if name != "x-delivery-limit"}
            return await self._channel.declare_queue(*names, arguments=kept, **options)

    async def unlimited(channel: Any, *given: Any) -> None:
        await declare(Lenient(channel), *given)  # type: ignore[arg-type]

    replace_everywhere(topology, "declare", unlimited)
