"""The consuming half of a world: takes what the broker delivers, one delivery at a time, when the test says so."""

import asyncio
from typing import Any, Self

from aio_pika.abc import AbstractIncomingMessage

from chassis.bus import EXCHANGE, Envelope, connect, dead_letter_queue, declare, inbox_queue
from chassis.floor import Floor
from chassis.inbox import Consumer

DELIVERY_SECONDS_MAX = 10.0


class Inbound:
    """The service's own queue, with a consumer that applies through the same code as the worker."""

    def __init__(self, floor: Floor) -> None:
        self.consumer = Consumer(floor)
        self._floor = floor
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._connection: Any = None
        self._exchange: Any = None

    @property
    def is_deaf(self) -> bool:
        """Whether the service hears nothing at all."""
        return not self._floor.service.bindings

    def hears(self, source: str, aggregate_type: str) -> bool:
        return (source, aggregate_type) in self._floor.service.bindings

    async def open(self) -> Self:
        """Declare the topology, and empty the queue of what an earlier test has left."""
        service = self._floor.service
        self._connection = await connect(self._floor.settings.rabbitmq_url, f"{service.name} world")
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        for name in (inbox_queue(service.name), dead_letter_queue(service.name)):
            await channel.queue_delete(name)
        await declare(channel, service)
        self._exchange = await channel.get_exchange(EXCHANGE)
        if not self.is_deaf:
            queue = await channel.get_queue(inbox_queue(service.name))
            await queue.consume(self._arrived.put)
        await self._play_listeners(channel)
        return self

    async def _play_listeners(self, channel: Any) -> None:
        """Whoever would hear this service: a queue that keeps nothing, or the broker would return what is said."""
        listeners = await channel.declare_queue(exclusive=True, auto_delete=True, arguments={"x-max-length": 1})
        await listeners.bind(self._exchange, f"{self._floor.service.name}.#")

    async def close(self) -> None:
        await self._connection.close()

    async def publish(self, envelope: Envelope) -> None:
        await self._exchange.publish(envelope.to_message(), envelope.routing_key, mandatory=True)

    async def apply(self, count: int) -> list[Envelope]:
        """Wait for that many deliveries and apply each; answers what was delivered."""
        applied = []
        for _ in range(count):
            async with asyncio.timeout(DELIVERY_SECONDS_MAX):
                message = await self._arrived.get()
            envelope = Envelope.from_message(message)
            await self.consumer.apply(envelope)
            await message.ack()
            applied.append(envelope)
        return applied
