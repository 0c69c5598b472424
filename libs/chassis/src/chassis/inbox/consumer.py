"""The consuming worker of one service: takes deliveries, applies them, acknowledges what is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

from chassis.bus import Envelope
from chassis.inbox.apply import Applier
from chassis.inbox.gaps import GapFiller
from chassis.inbox.held import Delivery
from chassis.inbox.markers import Markers
from chassis.inbox.retries import Retrier
from chassis.inbox.session import Session
from chassis.loops import Wake, repeat
from chassis.telemetry import get_logger

if TYPE_CHECKING:
    from chassis.floor import Floor

TRANSACTIONS_MIN = 2
CONNECTIONS_LEFT_TO_OTHERS = 2

_log = get_logger(__name__)


class Consumer:
    """Everything that hears. It outlives broker, database and Redis: work waits, and goes on when they are back."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._markers = Markers(floor.service.name, floor.redis)
        self._wake = Wake()
        self.applier = Applier(floor.service, floor.db, self._markers.note)
        self.retrier = Retrier(floor.db, self.applier)
        self.gaps = GapFiller(floor, self._apply)
        at_once = max(TRANSACTIONS_MIN, floor.settings.database_pool - CONNECTIONS_LEFT_TO_OTHERS)
        self._transactions = asyncio.Semaphore(at_once)

    async def apply(self, envelopes: Envelope | Sequence[Envelope]) -> None:
        """Apply events as if they had been delivered, without a broker."""
        given = [envelopes] if isinstance(envelopes, Envelope) else envelopes
        await self._apply([Delivery.of(envelope) for envelope in given])

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop`; what is being applied then is finished and acknowledged first."""
        if not self._floor.service.bindings:
            await stop.wait()
            return
        loops: list[Awaitable[None]] = [
            repeat("consumer", stop, lambda: self._consume(stop)),
            repeat("retries", stop, self.retrier.step, self._wake),
            repeat("gaps", stop, self.gaps.step),
        ]
        marking = asyncio.create_task(repeat("markers", stop, self._markers.step))
        try:
            await asyncio.gather(*loops)
        finally:
            marking.cancel()
            await asyncio.gather(marking, return_exceptions=True)

    async def _consume(self, stop: asyncio.Event) -> float:
        """One session with the broker, from connect to its end."""
        async with Session(self._floor, self._apply) as session:
            _log.info("consumer.started", queue=session.queue_name)
            await session.run(stop)
        return 0.0

    async def _apply(self, deliveries: Sequence[Delivery]) -> None:
        async with self._transactions:
            retries = await self.applier.apply(deliveries)
        if retries:
            self._wake.ring()
