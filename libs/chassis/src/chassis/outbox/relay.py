"""The process that carries committed events to the broker: one leader per service, others stand by."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from chassis.loops import Backoff, Wake
from chassis.outbox.archive import keep_archive, logged, measure
from chassis.outbox.holding import Holds
from chassis.outbox.leadership import LeadershipLost, Session, leading
from chassis.outbox.pipeline import Pipeline
from chassis.outbox.publishing import BrokerLost, publisher
from chassis.telemetry import gauge, get_logger

if TYPE_CHECKING:
    from chassis.floor import Floor

ARCHIVE_SECONDS = 3600.0
MEASURE_SECONDS = 5.0

_LEADS = gauge("relay_leads", "1 where this process is the leading relay of its service", ["service"])
_HELD = gauge("outbox_held_aggregates", "Aggregates that wait because an event could not be published", ["service"])

_log = get_logger("chassis.outbox")


class Relay:
    """Publishes the outbox of one service, in order per aggregate, for ever."""

    def __init__(self, floor: "Floor") -> None:
        self._service = floor.service.name
        self._database_url = floor.settings.relay_database_url
        self._broker_url = floor.settings.rabbitmq_url
        self._wake = Wake()

    async def run(self, stop: asyncio.Event) -> None:
        """Lead or stand by until `stop`. Survives that database and broker are away."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with leading(self._database_url, self._service, stop) as session:
                    if session is not None:
                        backoff.reset()
                        await self._lead(session, stop)
            except LeadershipLost as lost:
                _log.warning("relay.leadership_lost", problem=str(lost))
                await _pause(stop, backoff.pause())

    async def drain(self) -> None:
        """Publish what is in the outbox now, except held events, and return; waits for leadership."""
        async with leading(self._database_url, self._service, asyncio.Event()) as session:
            assert session is not None  # noqa: S101  nobody sets that stop
            async with _unwrapped(), publisher(self._broker_url, self._service) as broker:
                await Pipeline(self._service, session, broker, wake=self._wake, holds=Holds()).drain()

    async def _lead(self, session: Session, stop: asyncio.Event) -> None:
        """Ends with `stop`, or with `LeadershipLost`."""
        _log.info("relay.leads")
        _LEADS.labels(self._service).set(1)
        holds = Holds()
        try:
            async with _unwrapped(), asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(session.beat()),
                    group.create_task(self._keep_archive(session)),
                    group.create_task(self._measure(session, holds)),
                ]
                await session.listen(self._service, self._wake.ring)
                await self._publish(session, holds, stop)
                for helper in helpers:
                    helper.cancel()
        finally:
            _LEADS.labels(self._service).set(0)

    async def _publish(self, session: Session, holds: Holds, stop: asyncio.Event) -> None:
        """Over one broker connection after another; leadership is kept while the broker is away."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                async with _unwrapped(), publisher(self._broker_url, self._service) as broker:
                    backoff.reset()
                    await Pipeline(self._service, session, broker, wake=self._wake, holds=holds).run(stop)
            except BrokerLost as lost:
                _log.warning("relay.broker_lost", problem=str(lost))
                await _pause(stop, backoff.pause())

    async def _keep_archive(self, session: Session) -> None:
        while True:
            with logged():
                await keep_archive(session, self._service)
            await asyncio.sleep(ARCHIVE_SECONDS)

    async def _measure(self, session: Session, holds: Holds) -> None:
        while True:
            with logged():
                await measure(session, self._service)
            _HELD.labels(self._service).set(len(holds))
            await asyncio.sleep(MEASURE_SECONDS)


@asynccontextmanager
async def _unwrapped() -> AsyncIterator[None]:
    """Several tasks fail together when a connection goes: tell the one thing that matters, the lost lead first."""
    try:
        yield
    except BaseExceptionGroup as group:
        lost, others = group.split((LeadershipLost, BrokerLost))
        if lost is None or others is not None:
            raise
        raise _first(lost.subgroup(LeadershipLost) or lost) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
