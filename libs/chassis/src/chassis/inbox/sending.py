"""What a source does for its listeners: `join`, `replay`, `rebuild`, `restored` (spec 1.9). Each is audited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import ChannelNotFoundEntity

from chassis.bus import Envelope, connect, inbox_queue
from chassis.ids import new_id
from chassis.inbox.source import PAGE_MAX, history, one_moment, opening
from chassis.telemetry import get_logger
from contracts.event_map import consumers_of
from kernel.refusal import Invalid, NotFound
from kernel.scope import Actor

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from chassis.db import Tx
    from chassis.floor import Floor
    from contracts.event import Snapshot

CONFIRM_SECONDS = 15.0

_log = get_logger(__name__)


async def join(floor: Floor, consumer: str) -> int:
    """Send a service that has just bound our aggregates their whole past, straight into its queue; answers how much.

    The first event of each aggregate is a baseline, so that streams open; an open stream takes it as a duplicate.
    """
    kinds = _aggregates_for(floor, consumer)
    sent = 0
    async with _direct(floor, consumer) as send:
        async for aggregate_type, aggregate_id in _aggregates(floor, kinds):
            sent += await _send_history(floor, send, aggregate_type, aggregate_id, 1, opens=True)
    await _note(floor, "event.join", {"consumer": consumer, "events": sent})
    return sent


async def replay(floor: Floor, consumer: str, aggregate: tuple[str, UUID] | None = None, start: int = 1) -> int:
    """Send our archive, or one aggregate of it, into a service's queue again; what was applied there is a duplicate."""
    kinds = _aggregates_for(floor, consumer)
    sent = 0
    async with _direct(floor, consumer) as send:
        async for aggregate_type, aggregate_id in _aggregates(floor, kinds):
            if aggregate is None or aggregate == (aggregate_type, aggregate_id):
                sent += await _send_history(floor, send, aggregate_type, aggregate_id, start, opens=False)
    named = f"{aggregate[0]}:{aggregate[1]}" if aggregate else "all"
    await _note(floor, "event.replay", {"consumer": consumer, "aggregate": named, "from": start, "events": sent})
    return sent


async def rebuild(floor: Floor) -> int:
    """Say every snapshot again, with the version it has and the next number, marked baseline; answers how many."""
    said = 0
    for event in sorted(floor.service.snapshots, key=lambda one: one.topic):
        said += await _say_again(floor, event)
    await _note(floor, "event.rebuild", {"snapshots": said})
    return said


async def restored(floor: Floor) -> tuple[int, int]:
    """Start a new epoch after a restore from backup, and say every snapshot in it; answers epoch and count."""
    async with _transaction(floor) as tx:
        epoch = int(await tx.fetchval("update stream_epoch set epoch = epoch + 1 returning epoch"))
        tx.audit("event.restored", "service", None, {"epoch": epoch})
    _log.warning("outbox.epoch_raised", epoch=epoch)
    return epoch, await rebuild(floor)


def _aggregates_for(floor: Floor, consumer: str) -> list[str]:
    """Our aggregate types that this service hears; raises `Invalid` when there are none."""
    kinds = {event.aggregate for event in floor.service.emits if consumer in consumers_of(event.topic)}
    if not kinds:
        raise Invalid.field("consumer", f"{consumer} hears nothing of {floor.service.name}")
    return sorted(kinds)


async def _aggregates(floor: Floor, kinds: Sequence[str]) -> AsyncIterator[tuple[str, UUID]]:
    """Every aggregate of these types that ever said something, in key order."""
    for kind in kinds:
        after: UUID | None = None
        while True:
            async with floor.db.reader() as db:
                rows = await db.fetch(_AGGREGATES, kind, after, PAGE_MAX)
            for row in rows:
                yield kind, row["aggregate_id"]
            if len(rows) < PAGE_MAX:
                break
            after = rows[-1]["aggregate_id"]


class _Sender:
    """Confirmed, persistent, into exactly one queue."""

    def __init__(self, exchange: AbstractExchange, queue: str) -> None:
        self._exchange = exchange
        self._queue = queue

    async def __call__(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            await self._exchange.publish(
                envelope.to_message(), routing_key=self._queue, mandatory=True, timeout=CONFIRM_SECONDS
            )


@asynccontextmanager
async def _direct(floor: Floor, consumer: str) -> AsyncIterator[_Sender]:
    """The default exchange routes by queue name. Raises `NotFound` when the service has no queue yet."""
    connection = await connect(floor.settings.rabbitmq_url, f"{floor.service.name} sender")
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            await channel.declare_queue(inbox_queue(consumer), passive=True)
        except ChannelNotFoundEntity as error:
            raise NotFound(message=f"{inbox_queue(consumer)} is not declared: run migrate for {consumer}") from error
        yield _Sender(channel.default_exchange, inbox_queue(consumer))


async def _send_history(
    floor: Floor, send: _Sender, aggregate_type: str, aggregate_id: UUID, start: int, *, opens: bool
) -> int:
    sent = 0
    while True:
        async with one_moment(floor.db) as db:
            events = await history(db, floor.service, aggregate_type, aggregate_id, start)
        await send(opening(events) if opens and sent == 0 else events)
        sent += len(events)
        if len(events) < PAGE_MAX:
            return sent
        start = events[-1].seq + 1


async def _say_again(floor: Floor, event: type[Snapshot]) -> int:
    read, after, said = floor.service.snapshots[event], None, 0
    while True:
        async with _transaction(floor) as tx:
            snapshots = await read(tx, after=after, limit=PAGE_MAX)
            for snapshot in snapshots:
                tx.emit(snapshot, baseline=True)
        said += len(snapshots)
        if len(snapshots) < PAGE_MAX:
            return said
        after = snapshots[-1].aggregate_id


def _transaction(floor: Floor) -> AbstractAsyncContextManager[Tx]:
    return floor.db.transaction(actor=Actor.service(floor.service.name), request_id=f"command-{new_id()}")


async def _note(floor: Floor, action: str, payload: dict[str, object]) -> None:
    async with _transaction(floor) as tx:
        tx.audit(action, "service", None, payload)


_AGGREGATES = """
select aggregate_id from aggregate_cursor
where aggregate_type = $1 and ($2::uuid is null or aggregate_id > $2) order by aggregate_id limit $3
"""
