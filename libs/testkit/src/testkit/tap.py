"""An ear on the exchange: every event that passes, in the order in which the broker delivers it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from aio_pika import ExchangeType
from aio_pika.abc import AbstractExchange, AbstractIncomingMessage, AbstractQueue

from chassis.bus import EXCHANGE, Envelope, connect


class Tap:
    """`heard` holds what has been delivered so far, duplicates included, `lags` the seconds from each fact to here."""

    def __init__(self, queue: AbstractQueue, exchange: AbstractExchange) -> None:
        self.heard: list[Envelope] = []
        self.messages: list[AbstractIncomingMessage] = []
        self.lags: list[float] = []
        self._queue = queue
        self._exchange = exchange

    async def hear(self, message: AbstractIncomingMessage) -> None:
        envelope = Envelope.from_message(message)
        self.messages.append(message)
        self.heard.append(envelope)
        self.lags.append(time.time() - envelope.occurred_at.timestamp())

    async def bind(self, pattern: str) -> None:
        await self._queue.bind(self._exchange, routing_key=pattern)

    async def unbind(self, pattern: str) -> None:
        await self._queue.unbind(self._exchange, routing_key=pattern)

    async def until(self, count: int, *, seconds: float = 10.0) -> list[Envelope]:
        """Wait for that many different events. Raises AssertionError when none has come for so long."""
        known = -1
        while len(self._different()) < count:
            assert len(self._different()) > known, f"{known} of {count} events, and silence for {seconds} s"
            known = len(self._different())
            with suppress(AssertionError):
                await eventually(lambda: len(self._different()) >= count, seconds=seconds)
        return self.heard

    def _different(self) -> set[UUID]:
        return {event.event_id for event in self.heard}

    def first_numbers(self) -> dict[UUID, list[int]]:
        """Per aggregate, the numbers in the order in which each was heard for the first time."""
        numbers: dict[UUID, list[int]] = defaultdict(list)
        for event in self.heard:
            if event.seq not in numbers[event.aggregate_id]:
                numbers[event.aggregate_id].append(event.seq)
        return numbers


@asynccontextmanager
async def tapped(url: str, pattern: str | None = "#") -> AsyncIterator[Tap]:
    """A quorum queue of this test only, bound by `pattern`, or not at all."""
    connection = await connect(url, "tap")
    async with connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue(f"tap-{id(channel)}", durable=True, arguments={"x-queue-type": "quorum"})
        tap = Tap(queue, exchange)
        if pattern is not None:
            await tap.bind(pattern)
        await queue.consume(tap.hear, no_ack=True)
        try:
            yield tap
        finally:
            await queue.delete(if_unused=False, if_empty=False)


async def eventually(holds: Callable[[], Any], *, seconds: float = 10.0) -> None:
    """Wait until something holds; an answer that must be awaited may be given too. Raises AssertionError in vain."""
    deadline = time.monotonic() + seconds
    while True:
        answer = holds()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.02)
