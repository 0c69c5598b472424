"""One connection to the broker and the deliveries that came over it. When it breaks, the next session starts clean.

A delivery is acknowledged after the commit that recorded it. The broker sends again what was not acknowledged, and the
stream's number tells that it is a duplicate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from aio_pika.abc import AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError

from chassis.bus import Stamp, UnusableHeaders, connect, declare, inbox_queue
from chassis.inbox.held import Delivery
from chassis.loops import Backoff, first_of
from chassis.telemetry import counter, get_logger
from kernel.refusal import Unavailable

if TYPE_CHECKING:
    from types import TracebackType

    from chassis.floor import Floor

PREFETCH = 64
WORKERS = 8
BATCH_MAX = 32
SUSPICIOUS_DELIVERIES = 3
DECLARE_SECONDS = 30.0
DRAIN_SECONDS = 15.0
BROKER_GONE = (AMQPError, OSError, RuntimeError, asyncio.InvalidStateError)
"""What aio-pika raises at somebody who uses a channel that has just closed."""

Apply = Callable[[Sequence[Delivery]], Awaitable[None]]
Arrival = tuple[Delivery, AbstractIncomingMessage]

_log = get_logger(__name__)
_dead = counter("inbox_dead_letters_total", "Messages whose headers say no stream")
_refused = counter("inbox_unrecorded_total", "Deliveries that could not be recorded and went back to the broker")


class Session:
    """Async context manager: entering connects and declares, leaving closes. Raises what the broker raises."""

    def __init__(self, floor: Floor, apply: Apply) -> None:
        self._floor = floor
        self._apply = apply
        self._arrivals: list[asyncio.Queue[Arrival]] = [asyncio.Queue() for _ in range(WORKERS)]
        self._closed = asyncio.Event()
        self._connection: AbstractConnection
        self._queue: AbstractQueue
        self.queue_name = inbox_queue(floor.service.name)

    async def __aenter__(self) -> Self:
        name = f"{self._floor.service.name} consumer"
        self._connection = await connect(self._floor.settings.rabbitmq_url, name)
        try:
            await self._prepare()
        except BaseException:
            await self._connection.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._connection.close()
        except BROKER_GONE as gone:
            _log.debug("consumer.close_failed", problem=str(gone))

    async def _prepare(self) -> None:
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        await declare(channel, self._floor.service)
        self._queue = await channel.get_queue(self.queue_name, ensure=False)
        self._connection.close_callbacks.add(self._on_closed)
        channel.close_callbacks.add(self._on_closed)

    def _on_closed(self, *_: Any) -> None:
        self._closed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`, or until the connection ends, which raises ConnectionError."""
        tag = await self._queue.consume(self._on_message)
        workers = [asyncio.create_task(self._work(arrivals)) for arrivals in self._arrivals]
        declaring = asyncio.create_task(self._keep_declared())
        try:
            await first_of(stop, self._closed)
            if not self._closed.is_set():
                await self._finish(tag)
        finally:
            for task in (*workers, declaring):
                task.cancel()
            await asyncio.gather(*workers, declaring, return_exceptions=True)
        if not stop.is_set():
            raise ConnectionError("the broker ended the session")

    async def _finish(self, tag: str) -> None:
        """Take nothing new, and apply what is here already, so that it is not delivered a second time."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._queue.cancel(tag)
                await asyncio.gather(*(arrivals.join() for arrivals in self._arrivals))
        except (TimeoutError, *BROKER_GONE) as error:
            _log.warning("consumer.drain_cut_short", problem=f"{type(error).__name__}: {error}")

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            stamp = Stamp.from_message(message)
        except UnusableHeaders as error:
            _dead.inc()
            _log.error("inbox.dead_letter", message_id=message.message_id, problem=str(error)[:300])
            await message.reject(requeue=False)
            return
        count = message.headers.get("x-delivery-count", 0)
        suspicious = isinstance(count, int) and count >= SUSPICIOUS_DELIVERIES
        delivery = Delivery(stamp, message.body, suspicious=suspicious)
        self._arrivals[hash(stamp.stream) % WORKERS].put_nowait((delivery, message))

    async def _work(self, arrivals: asyncio.Queue[Arrival]) -> None:
        """One of the workers; each stream always meets the same one, so its order is kept."""
        while True:
            batch = [await arrivals.get()]
            while len(batch) < BATCH_MAX and not arrivals.empty():
                batch.append(arrivals.get_nowait())
            await self._record(batch)
            for _ in batch:
                arrivals.task_done()

    async def _record(self, batch: Sequence[Arrival]) -> None:
        """Apply and acknowledge. While the database is away this waits; the broker keeps the rest uncounted."""
        backoff = Backoff()
        while not self._closed.is_set():
            try:
                await self._apply([delivery for delivery, _ in batch])
            except Unavailable as error:
                _log.warning("consumer.database_away", waiting=len(batch), problem=str(error))
                await asyncio.sleep(backoff.pause())
            except Exception as error:  # noqa: BLE001  a delivery that cannot even be recorded: the broker counts, then parks it
                await self._give_back(batch, error)
                return
            else:
                await self._acknowledge(batch)
                return

    async def _acknowledge(self, batch: Sequence[Arrival]) -> None:
        try:
            for _, message in batch:
                await message.ack()
        except BROKER_GONE as error:
            _log.info("consumer.ack_lost", size=len(batch), problem=str(error))

    async def _give_back(self, batch: Sequence[Arrival], error: Exception) -> None:
        """Find what cannot be recorded by trying each delivery alone; only that one goes back."""
        if len(batch) > 1:
            for arrival in batch:
                await self._record([arrival])
            return
        ((delivery, message),) = batch
        _refused.inc()
        _log.error("inbox.unrecorded", stream=str(delivery.stamp.stream), seq=delivery.stamp.seq, exc_info=error)
        await asyncio.sleep(1)
        try:
            await message.reject(requeue=True)
        except BROKER_GONE as gone:
            _log.info("consumer.reject_lost", problem=str(gone))

    async def _keep_declared(self) -> None:
        """Bindings that somebody removed come back within 30 s; a session whose queue was deleted ends."""
        while True:
            await asyncio.sleep(DECLARE_SECONDS)
            try:
                async with self._connection.channel() as channel:
                    await declare(channel, self._floor.service)
                    queue = await channel.declare_queue(self.queue_name, passive=True)
            except BROKER_GONE as error:
                _log.warning("consumer.declare_failed", problem=f"{type(error).__name__}: {error}")
                continue
            if queue.declaration_result.consumer_count == 0:
                _log.warning("consumer.queue_was_deleted", queue=self.queue_name)
                self._closed.set()
