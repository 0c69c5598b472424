"""The way of rows from the outbox table through the broker into the archive.

Rows are read ahead, published with up to 50 aggregates in flight and moved in batches, all at the same time, so that
neither the broker nor the database waits for the other. Within one aggregate nothing overlaps: its next event is
published when the one before is confirmed, and after a failure nothing of it until that one has succeeded.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg

from chassis.bus import Envelope
from chassis.loops import Wake
from chassis.outbox.holding import Aggregate, Holds
from chassis.outbox.leadership import LeadershipLost, Session
from chassis.outbox.publishing import NotPublished, Publisher
from chassis.telemetry import get_logger

BATCH = 200
IN_FLIGHT_MAX = 50
READ_AHEAD = 300
"""Rows in hand below which more are read: enough to keep 50 in flight during one scan."""
MOVE_AT_LEAST = 100
MOVE_SECONDS_MAX = 0.01
POLL_SECONDS = 0.5
FINISH_SECONDS_MAX = 10.0

# Rows in hand and aggregates that wait are left out by the scan itself: a batch is never full of what cannot be sent. A
# row is never looked for by "id greater than the last": ids become visible in the order of commits, not of numbers.
SCAN = """
select id, event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload,
       traceparent, request_id, actor, created_at
from outbox
where id not in (select unnest($1::bigint[]))
  and (aggregate_type, aggregate_id) not in (select * from unnest($2::text[], $3::uuid[]))
order by id limit $4
"""
MOVE = """
with moved as (delete from outbox where id = any($1::bigint[]) returning *)
insert into outbox_archive (id, event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload,
                            traceparent, request_id, actor, created_at)
select id, event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload,
       traceparent, request_id, actor, created_at
from moved
"""

_log = get_logger("chassis.outbox")


class Pipeline:
    """One leader's work over one broker connection; thrown away with either of them, and nothing is lost by that."""

    def __init__(self, service: str, session: Session, publisher: Publisher, *, wake: Wake, holds: Holds) -> None:
        self._service = service
        self._session = session
        self._publisher = publisher
        self._wake = wake
        self._holds = holds
        self._in_hand: set[int] = set()
        self._queues: dict[Aggregate, deque[asyncpg.Record]] = {}
        self._ready: asyncio.Queue[Aggregate] = asyncio.Queue()
        self._published: list[asyncpg.Record] = []
        self._something_published = asyncio.Event()
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()
        self._more_to_read = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish what is in hand. Raises a group of `BrokerLost` or `LeadershipLost`."""
        async with self._helpers():
            while not stop.is_set():
                await self._feed()
            await self._finish()

    async def drain(self) -> None:
        """Work until only held events are left."""
        async with self._helpers():
            while await self._take():
                await self._nothing_in_hand.wait()

    @asynccontextmanager
    async def _helpers(self) -> AsyncIterator[None]:
        """What is confirmed is moved even when the broker is lost: the fewer events are sent twice, the better."""
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._move_forever()), group.create_task(self._publisher.watch())]
                helpers += [group.create_task(self._publish_forever()) for _ in range(IN_FLIGHT_MAX)]
                yield
                for helper in helpers:
                    helper.cancel()
        finally:
            with suppress(LeadershipLost):
                await self._move()

    async def _finish(self) -> None:
        """What is not finished by then is published again by the next leader."""
        try:
            async with asyncio.timeout(FINISH_SECONDS_MAX):
                await self._nothing_in_hand.wait()
        except TimeoutError:
            _log.warning("relay.unfinished", count=len(self._in_hand))

    async def _feed(self) -> None:
        """Read ahead while there is room; else wait for a NOTIFY, for room, or for the end of a hold."""
        if len(self._in_hand) < READ_AHEAD:
            self._more_to_read = await self._take() == BATCH
            if self._more_to_read:
                return
        due = self._holds.seconds_to_next()
        await self._wake.wait(POLL_SECONDS if due is None else min(POLL_SECONDS, due))

    async def _take(self) -> int:
        """Take the next rows in hand; answers how many the scan found."""
        waiting = self._holds.waiting()
        rows = await self._session.fetch(
            SCAN, list(self._in_hand), [kind for kind, _ in waiting], [key for _, key in waiting], BATCH
        )
        for row in rows:
            aggregate = (row["aggregate_type"], row["aggregate_id"])
            if not self._holds.failed_during_scan(aggregate):
                self._enqueue(aggregate, row)
        return len(rows)

    def _enqueue(self, aggregate: Aggregate, row: asyncpg.Record) -> None:
        self._in_hand.add(row["id"])
        self._nothing_in_hand.clear()
        queue = self._queues.get(aggregate)
        if queue is None:
            self._queues[aggregate] = deque([row])
            self._ready.put_nowait(aggregate)
        else:
            queue.append(row)

    async def _publish_forever(self) -> None:
        while True:
            await self._publish_first(await self._ready.get())

    async def _publish_first(self, aggregate: Aggregate) -> None:
        """Publish the first event of one aggregate. Nobody else has this aggregate until it is ready again."""
        queue = self._queues[aggregate]
        self._session.assure()
        try:
            await self._publisher.publish(Envelope.from_row(queue[0], self._service))
        except NotPublished as problem:
            self._hold(aggregate, problem)
            return
        self._holds.succeed(aggregate)
        self._published.append(queue.popleft())
        self._something_published.set()
        if queue:
            self._ready.put_nowait(aggregate)
        else:
            del self._queues[aggregate]

    def _hold(self, aggregate: Aggregate, problem: NotPublished) -> None:
        """Stop this aggregate; its rows will be read again when its time has come."""
        queue = self._queues.pop(aggregate)
        delay = self._holds.fail(aggregate, returned=problem.returned)
        _log.warning(
            "relay.held",
            event_id=str(queue[0]["event_id"]),
            aggregate=f"{aggregate[0]}/{aggregate[1]}",
            problem=str(problem),
            retry_in_s=round(delay, 2),
        )
        self._let_go(queue)

    async def _move_forever(self) -> None:
        """A lone event is moved at once; under load a move waits a moment for company."""
        while True:
            await self._something_published.wait()
            if len(self._published) < min(MOVE_AT_LEAST, len(self._in_hand)):
                await asyncio.sleep(MOVE_SECONDS_MAX)
            await self._move()

    async def _move(self) -> None:
        """Move what is confirmed into the archive, in one statement."""
        rows = self._published[:]
        self._something_published.clear()
        if not rows:
            return
        await move(self._session, rows)
        del self._published[: len(rows)]
        self._let_go(rows)

    def _let_go(self, rows: Iterable[asyncpg.Record]) -> None:
        self._in_hand.difference_update(row["id"] for row in rows)
        if not self._in_hand:
            self._nothing_in_hand.set()
        if self._more_to_read:
            self._wake.ring()


async def move(session: Session, rows: Sequence[asyncpg.Record]) -> None:
    """Mark as published by moving; one log line tells every trace that passed."""
    await session.fetch(MOVE, [row["id"] for row in rows])
    _log.info("relay.published", count=len(rows), trace_ids=sorted({_trace_id(row) for row in rows} - {""}))


def _trace_id(row: asyncpg.Record) -> str:
    return (row["traceparent"] or "").partition("-")[2].partition("-")[0]
