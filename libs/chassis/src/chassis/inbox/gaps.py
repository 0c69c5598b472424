"""Gaps heal themselves: what does not come by itself within 30 s is asked of its source (spec 1.9, 1.10)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chassis.bus import Envelope, StreamKey
from chassis.calls import OnBehalf
from chassis.inbox.held import Delivery
from chassis.inbox.source import CounterPage, EventPage
from chassis.telemetry import counter, gauge, get_logger
from kernel.refusal import Refusal

if TYPE_CHECKING:
    from chassis.db import Record
    from chassis.floor import Floor

PATIENCE = timedelta(seconds=30)
SCAN_SECONDS = 5.0
OVERLOOKED = timedelta(seconds=5)
STREAMS_PER_SCAN = 20
PAGES_PER_FILL = 50
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 30.0, 600.0
TAIL_OVERLAP = timedelta(hours=25)

_log = get_logger(__name__)
_held = gauge("inbox_held_events", "Events that wait for their turn or for their handler")
_failing = gauge("inbox_failing_events", "Held events whose handler failed; each blocks its stream")
_gaps = gauge("inbox_gaps", "Streams that wait for a number that has not come within 30 s")
_filled = counter("inbox_gaps_filled_total", "Gaps that were filled from the source", ("source",))


class GapFiller:
    """Looks for streams that wait for a number, and fetches what their source still has."""

    def __init__(self, floor: Floor, apply: Callable[[Sequence[Delivery]], Awaitable[None]]) -> None:
        self._floor = floor
        self._apply = apply
        self._pauses: dict[StreamKey, tuple[float, float]] = {}

    async def step(self) -> float:
        """One scan; answers the seconds until the next, which follows at once where more gaps may be found."""
        async with self._floor.db.reader() as db:
            await db.fetch(_WAKE_OVERLOOKED, OVERLOOKED)
            counts = await db.fetchrow(_COUNTS)
            rows = await db.fetch(_GAPS, PATIENCE, STREAMS_PER_SCAN + len(self._pauses))
        if counts:
            _held.set(counts["held"])
            _failing.set(counts["failing"])
        _gaps.set(len(rows))
        self._forget_all_but([_key(row) for row in rows])
        asked = [await self._fill(row) for row in rows]
        return 0.0 if sum(asked) >= STREAMS_PER_SCAN else SCAN_SECONDS

    def _forget_all_but(self, keys: Sequence[StreamKey]) -> None:
        self._pauses = {key: pause for key, pause in self._pauses.items() if key in keys}

    async def _fill(self, row: Record) -> bool:
        """Ask for one stream's missing numbers; False when that was done in vain a moment ago."""
        key = _key(row)
        due, pause = self._pauses.get(key, (0.0, PAUSE_SECONDS_MIN))
        if time.monotonic() < due:
            return False
        _log.error("inbox.gap", stream=str(key), after=row["last_seq"], held_from=row["first_held"])
        try:
            await self.fetch(key, row["last_seq"] + 1)
        except (Refusal, LookupError, ValueError) as error:
            _log.warning("inbox.gap_unanswered", stream=str(key), problem=f"{type(error).__name__}: {error}"[:300])
        self._pauses[key] = (time.monotonic() + pause, min(pause * 2, PAUSE_SECONDS_MAX))
        return True

    async def fetch(self, key: StreamKey, start: int) -> int:
        """Fetch and apply what the source has from this number on; answers how many events that was."""
        client, fetched = self._floor.calls(key.source), 0
        for _ in range(PAGES_PER_FILL):
            asked = {"aggregate_type": key.aggregate_type, "aggregate_id": key.aggregate_id, "from": start}
            page = await client.read("/internal/v1/events", params=asked, model=EventPage, context=OnBehalf())
            events = [Envelope.from_json(event) for event in page.events]
            if any(event.stamp.stream != key for event in events):
                raise ValueError("the source answered for another aggregate")
            await self._apply([Delivery.of(event, closes_gap=True) for event in events])
            fetched += len(events)
            if not page.more:
                break
            start = events[-1].seq + 1
        if fetched:
            _filled.labels(source=key.source).inc()
            _log.info("inbox.gap_filled", stream=str(key), start=start, events=fetched)
        return fetched

    async def check_tails(self) -> int:
        """Compare the last numbers of the past day with what each source has given out; answers how many were behind.

        A message that was lost with nothing after it leaves no gap to see; this is how it is found.
        """
        return sum(
            [await self._check_tail(source) for source in sorted({one for one, _ in self._floor.service.bindings})]
        )

    async def _check_tail(self, source: str) -> int:
        kinds = {aggregate for one, aggregate in self._floor.service.bindings if one == source}
        now, behind = self._floor.clock.now(), 0
        since, settled = now - TAIL_OVERLAP, now - PATIENCE
        while True:
            page = await self._counters(source, since)
            theirs = {
                StreamKey(source, one.aggregate_type, one.aggregate_id): one.last_seq
                for one in page.counters
                if one.aggregate_type in kinds and one.updated_at < settled
            }
            for key, start in await self._behind(theirs):
                behind += 1
                _log.error("inbox.tail_behind", stream=str(key), start=start)
                await self.fetch(key, start)
            if not page.more or page.counters[-1].updated_at == since:
                return behind
            since = page.counters[-1].updated_at

    async def _counters(self, source: str, since: datetime) -> CounterPage:
        client = self._floor.calls(source)
        asked = {"since": since.isoformat()}
        return await client.read("/internal/v1/events/counters", params=asked, model=CounterPage, context=OnBehalf())

    async def _behind(self, theirs: dict[StreamKey, int]) -> list[tuple[StreamKey, int]]:
        """Streams of ours that have neither applied nor held the last number of theirs, with the number they miss."""
        keys = list(theirs)
        async with self._floor.db.reader() as db:
            rows = await db.fetch(
                _BEHIND,
                [key.source for key in keys],
                [key.aggregate_type for key in keys],
                [key.aggregate_id for key in keys],
                list(theirs.values()),
            )
        return [(_key(row), row["last_seq"] + 1) for row in rows]


def _key(row: Record) -> StreamKey:
    return StreamKey(row["source"], row["aggregate_type"], row["aggregate_id"])


_COUNTS = "select count(*) as held, count(*) filter (where attempts > 0) as failing from inbox_held"

# Who held an event while another delivery moved the stream may have missed that it had become the next one.
_WAKE_OVERLOOKED = """
update inbox_held h set next_at = clock_now() from inbox_stream s
where (h.source, h.aggregate_type, h.aggregate_id) = (s.source, s.aggregate_type, s.aggregate_id)
  and h.seq = s.last_seq + 1 and h.next_at is null and h.held_at < clock_now() - $1::interval
"""

_GAPS = """
select s.source, s.aggregate_type, s.aggregate_id, s.last_seq, min(h.seq) as first_held
from inbox_held h join inbox_stream s using (source, aggregate_type, aggregate_id)
where not s.blocked
group by s.source, s.aggregate_type, s.aggregate_id, s.last_seq
having min(h.seq) > s.last_seq + 1 and min(h.held_at) < clock_now() - $1::interval
order by min(h.held_at) limit $2
"""

_BEHIND = """
select t.source, t.aggregate_type, t.aggregate_id, greatest(max(h.seq), s.last_seq, 0) as last_seq
from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[]) as t(source, aggregate_type, aggregate_id, last_seq)
left join inbox_stream s using (source, aggregate_type, aggregate_id)
left join inbox_held h using (source, aggregate_type, aggregate_id)
group by t.source, t.aggregate_type, t.aggregate_id, t.last_seq, s.last_seq
having greatest(max(h.seq), s.last_seq, 0) < t.last_seq
"""
