"""The other end of an inbox: what a service can still say about its own aggregates, for whoever missed something.

`history` is the one answer to "what came after number n": the gap filler of a consumer asks for it over HTTP, `join`
and `replay` send it into a queue.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from chassis.bus import Envelope
from chassis.web import Answer, Caller, Query, Router, reply, services
from contracts.event import Wire
from contracts.event_map import listeners_to
from kernel.ids import derived_id
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.db import Database, Reader
    from chassis.manifest import Service

PAGE_MAX = 200
COUNTERS_MAX = 1000


class HistoryQuery(Query):
    aggregate_type: str = Field(max_length=63)
    aggregate_id: UUID
    start: int = Field(alias="from", ge=1, le=2**63 - 1)


class CountersQuery(Query):
    since: AwareDatetime


class Counter(Wire):
    """The last number an aggregate has given out."""

    aggregate_type: str
    aggregate_id: UUID
    last_seq: int
    updated_at: datetime


class CounterPage(Wire):
    """Aggregates that spoke since an instant, oldest first; when `more`, ask again from the last `updated_at`."""

    epoch: int
    counters: list[Counter]
    more: bool


class EventPage(Wire):
    """CloudEvents of one aggregate in order, without a gap; `more` says that others follow."""

    events: list[dict[str, Any]]
    more: bool


@asynccontextmanager
async def one_moment(db: Database) -> AsyncIterator[Reader]:
    """A reader whose statements all see the same moment."""
    async with db.transaction(actor=Actor.service("inbox"), request_id="history") as tx:
        await tx.run("set transaction isolation level repeatable read read only")
        yield tx


async def history(
    db: Reader, service: Service, aggregate_type: str, aggregate_id: UUID, start: int, limit: int = PAGE_MAX
) -> list[Envelope]:
    """What this aggregate said from number `start` on, at most `limit` envelopes, in order and without a gap.

    What the archive no longer has is stood for by one baseline in front: the present snapshot where the aggregate has
    one, else an empty event; its number is that of the last event it stands for. `db` comes from `one_moment`:
    snapshot, numbers and events belong together.
    """
    epoch = await db.fetchval("select epoch from stream_epoch")
    rows = await db.fetch(_HISTORY, aggregate_type, aggregate_id, start, epoch, limit)
    events = [Envelope.from_row(row, service.name) for row in rows]
    last = events[0].seq - 1 if events else await db.fetchval(_LAST_SEQ, aggregate_type, aggregate_id) or 0
    if last < start:
        return events
    return [await baseline(db, service, aggregate_type, aggregate_id, epoch, last), *events][:limit]


async def baseline(
    db: Reader, service: Service, aggregate_type: str, aggregate_id: UUID, epoch: int, seq: int
) -> Envelope:
    """The event that opens a stream at this number, or closes a gap up to it."""
    topic, data = f"{service.name}.baseline.v1", dict[str, Any]()
    for event, read in service.snapshots.items():
        if event.aggregate == aggregate_type:
            snapshots = await read(db, only=aggregate_id, limit=1)
            if snapshots:
                topic, data = event.topic, snapshots[0].model_dump(mode="json")
    return Envelope(
        event_id=derived_id("baseline", service.name, aggregate_type, aggregate_id, epoch, seq),
        topic=topic,
        source=service.name,
        epoch=epoch,
        aggregate_type=aggregate_type,
        aggregate_id=aggregate_id,
        seq=seq,
        baseline=True,
        occurred_at=await db.fetchval("select clock_now()"),
        traceparent=None,
        request_id=None,
        actor=f"service:{service.name}",
        data=data,
    )


def opening(events: Sequence[Envelope]) -> list[Envelope]:
    """The same events, the first marked as a baseline, so that a stream without history opens there."""
    return [replace(event, baseline=True) if place == 0 else event for place, event in enumerate(events)]


def source_router(service: Service) -> Router:
    """The two internal routes that let every consumer find what it missed (spec 1.10)."""
    router = Router(prefix="/internal/v1/events", tags=["events"])
    allowed = services(*(sorted(listeners_to(service.name)) or [service.name]))

    @router.get("", allow=allowed, answers=EventPage)
    async def read_events(call: Caller, asked: HistoryQuery) -> Answer:
        async with one_moment(call.db) as db:
            events = await history(db, service, asked.aggregate_type, asked.aggregate_id, asked.start)
        return reply(EventPage(events=[event.to_json() for event in events], more=len(events) == PAGE_MAX))

    @router.get("/counters", allow=allowed, answers=CounterPage)
    async def read_counters(call: Caller, asked: CountersQuery) -> Answer:
        async with call.db.reader() as db:
            rows = await db.fetch(_COUNTERS, asked.since, COUNTERS_MAX)
            epoch = await db.fetchval("select epoch from stream_epoch")
        counters = [Counter.model_validate(dict(row)) for row in rows]
        return reply(CounterPage(epoch=epoch, counters=counters, more=len(rows) == COUNTERS_MAX))

    return router


_COLUMNS = (
    "event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload, traceparent, request_id, "
    "actor, created_at"
)

_HISTORY = f"""
select {_COLUMNS} from outbox_archive
where aggregate_type = $1 and aggregate_id = $2 and aggregate_seq >= $3 and epoch = $4
union all
select {_COLUMNS} from outbox
where aggregate_type = $1 and aggregate_id = $2 and aggregate_seq >= $3 and epoch = $4
order by aggregate_seq limit $5
"""

_LAST_SEQ = "select last_seq from aggregate_cursor where aggregate_type = $1 and aggregate_id = $2"

_COUNTERS = """
select aggregate_type, aggregate_id, last_seq, updated_at from aggregate_cursor
where updated_at >= $1 order by updated_at limit $2
"""
