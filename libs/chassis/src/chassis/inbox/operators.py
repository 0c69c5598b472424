"""What a person does with held events: look, try again, drop (spec 1.9). Every change leaves an audit row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from chassis.bus import StreamKey
from chassis.ids import new_id
from chassis.inbox.apply import Applier
from chassis.inbox.held import COLUMNS, HeldEvent, Reason, held_event
from kernel.refusal import NotFound
from kernel.scope import Actor

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from chassis.db import Tx
    from chassis.floor import Floor

LIST_MAX = 1000
ROUNDS_MAX = 100_000


async def list_held(floor: Floor, limit: int = LIST_MAX) -> list[HeldEvent]:
    """Held events, those that block a stream first, then by stream and number."""
    async with floor.db.reader() as db:
        return [held_event(row) for row in await db.fetch(_LIST, limit)]


async def show_held(floor: Floor, event_id: UUID) -> HeldEvent:
    """Raises `NotFound`."""
    async with floor.db.reader() as db:
        row = await db.fetchrow(_SHOW, event_id)
    if row is None:
        raise NotFound(message=f"no held event {event_id}")
    return held_event(row)


async def retry_held(floor: Floor, event_id: UUID | None = None) -> tuple[int, int]:
    """Try one event, or all that block a stream, now, and after a success whatever waited behind it, in order.

    Answers how many events were applied and how many are still held in those streams. Raises `NotFound`.
    """
    keys = [(await show_held(floor, event_id)).stamp.stream] if event_id else await _waiting_streams(floor)
    async with _transaction(floor) as tx:
        tx.audit("event.retry", "inbox_held", event_id, {"streams": [str(key) for key in keys[:LIST_MAX]]})
    return await _bring_on(floor, keys)


async def drop_held(floor: Floor, event_id: UUID | None = None) -> int:
    """Give up one event, or all whose handler failed: the number is passed over, and what waits behind it goes on.

    Answers how many were dropped. An event that still waits for the numbers before it is passed over when they came.
    """
    async with _transaction(floor) as tx:
        rows = await tx.fetch(_DROP_ONE if event_id else _DROP_FAILED, *([event_id] if event_id else []))
        for row in rows:
            event = held_event(row)
            facts = {"stream": str(event.stamp.stream), "seq": event.stamp.seq, "topic": event.stamp.topic}
            tx.audit("event.drop", "inbox_held", event.stamp.event_id, facts)
    if event_id and not rows:
        raise NotFound(message=f"no held event {event_id}")
    await _bring_on(floor, sorted({held_event(row).stamp.stream for row in rows}))
    return len(rows)


async def _bring_on(floor: Floor, keys: Sequence[StreamKey]) -> tuple[int, int]:
    """Each stream as far as it goes, in this process: the person sees at once whether it helped."""
    applier, before = Applier(floor.service, floor.db), await _count(floor, keys)
    for key in keys:
        for _ in range(ROUNDS_MAX):
            held_before = await _count(floor, [key])
            await applier.settle(key, retry=True)
            if held_before in {0, await _count(floor, [key])}:
                break
    after = await _count(floor, keys)
    return before - after, after


async def _count(floor: Floor, keys: Sequence[StreamKey]) -> int:
    async with floor.db.reader() as db:
        count = await db.fetchval(
            _COUNT,
            [key.source for key in keys],
            [key.aggregate_type for key in keys],
            [key.aggregate_id for key in keys],
        )
    return int(count)


async def _waiting_streams(floor: Floor) -> list[StreamKey]:
    async with floor.db.reader() as db:
        rows = await db.fetch(_NEXT_ONES)
    return [StreamKey(row["source"], row["aggregate_type"], row["aggregate_id"]) for row in rows]


def _transaction(floor: Floor) -> AbstractAsyncContextManager[Tx]:
    return floor.db.transaction(actor=Actor.service(floor.service.name), request_id=f"command-{new_id()}")


_LIST = f"""
select {COLUMNS} from inbox_held
order by (attempts > 0) desc, source, aggregate_type, aggregate_id, seq limit $1
"""

_SHOW = f"select {COLUMNS} from inbox_held where event_id = $1 order by held_at limit 1"

_DROP_ONE = f"update inbox_held set reason = '{Reason.DROPPED}' where event_id = $1 returning {COLUMNS}"

_DROP_FAILED = f"update inbox_held set reason = '{Reason.DROPPED}' where attempts > 0 returning {COLUMNS}"

_NEXT_ONES = """
select h.source, h.aggregate_type, h.aggregate_id
from inbox_held h join inbox_stream s using (source, aggregate_type, aggregate_id)
where h.seq = s.last_seq + 1 order by 1, 2, 3
"""

_COUNT = """
select count(*) from inbox_held h
join unnest($1::text[], $2::text[], $3::uuid[]) as k(source, aggregate_type, aggregate_id)
    using (source, aggregate_type, aggregate_id)
"""
