"""Streams: one row per emitting service and aggregate, the only truth of what was processed (spec 1.9).

`Stream.verdict` is the whole rule of order, and pure; everything below it moves rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from chassis.bus import Stamp, StreamKey

if TYPE_CHECKING:
    from chassis.db import Record, Tx


class Verdict(StrEnum):
    """What is to be done with one delivery."""

    DUPLICATE = "duplicate"
    APPLY = "apply"
    OPEN = "open"
    HOLD = "hold"
    RESTART = "restart"


@dataclass(slots=True)
class Stream:
    """How far one stream has come. `blocked`: the event after `last_seq` is held, and whatever follows waits for it."""

    key: StreamKey
    epoch: int
    last_seq: int
    blocked: bool

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever applied, nor tried."""
        return self.last_seq == 0 and not self.blocked

    def verdict(self, stamp: Stamp, *, closes_gap: bool = False) -> Verdict:
        """What this event is to the stream.

        A stream opens at number 1 or at a baseline; on a stream with history a baseline is an ordinary event, unless
        it comes from the source as the answer to a gap (`closes_gap`). A higher epoch makes the stream new again.
        """
        if stamp.epoch > self.epoch:
            return Verdict.RESTART
        if stamp.epoch < self.epoch or stamp.seq <= self.last_seq:
            return Verdict.DUPLICATE
        if self.blocked:
            return Verdict.HOLD
        if stamp.seq == self.last_seq + 1:
            return Verdict.APPLY
        if stamp.baseline and (self.is_new or closes_gap):
            return Verdict.OPEN
        return Verdict.HOLD

    def restart(self, epoch: int) -> None:
        """Forget the numbers of a source that was restored from a backup."""
        self.epoch, self.last_seq, self.blocked = epoch, 0, False


@dataclass(frozen=True, slots=True)
class Run:
    """Deliveries of one stream with contiguous numbers."""

    key: StreamKey
    epoch: int
    first_seq: int
    last_seq: int
    opens: bool


async def advance(tx: Tx, runs: Sequence[Run]) -> dict[StreamKey, bool]:
    """Lock and move the streams for which these are exactly the next numbers, in two round trips.

    Answers those streams, in key order, and for each whether a held event is the next one now. Every other stream is
    left as it was.
    """
    ordered = sorted(runs, key=lambda run: run.key)
    rows = await tx.fetch(
        _ADVANCE,
        [run.key.source for run in ordered],
        [run.key.aggregate_type for run in ordered],
        [run.key.aggregate_id for run in ordered],
        [run.epoch for run in ordered],
        [run.first_seq for run in ordered],
        [run.last_seq for run in ordered],
        [run.opens for run in ordered],
    )
    moved = {_key(row): row["last_seq"] for row in rows}
    followed = await _wake_followers(tx, moved) if moved else set()
    return {key: key in followed for key in sorted(moved)}


async def _wake_followers(tx: Tx, moved: Mapping[StreamKey, int]) -> set[StreamKey]:
    """The moved streams whose next event is held already.

    It is a statement of its own: one that waited for the lock on a stream sees the held events of the moment it began,
    and whoever had the lock may have held one since.
    """
    rows = await tx.fetch(
        _WAKE,
        [key.source for key in moved],
        [key.aggregate_type for key in moved],
        [key.aggregate_id for key in moved],
        list(moved.values()),
    )
    return {_key(row) for row in rows}


async def lock(tx: Tx, key: StreamKey, epoch: int = 1) -> Stream:
    """The stream, locked until the transaction ends; it is made, new and of this epoch, when it is not there."""
    return _stream(await tx.fetchrow(_LOCK, *key, epoch))


async def save(tx: Tx, stream: Stream) -> None:
    await tx.run(_SAVE, *stream.key, stream.epoch, stream.last_seq, stream.blocked)


def _stream(row: Record | None) -> Stream:
    assert row is not None  # noqa: S101  an upsert that returns always returns its row
    return Stream(_key(row), row["epoch"], row["last_seq"], row["blocked"])


def _key(row: Record) -> StreamKey:
    return StreamKey(row["source"], row["aggregate_type"], row["aggregate_id"])


# Rows are locked in key order before they are moved, so that two batches with the same streams cannot deadlock.
_ADVANCE = """
with run as (
    select * from unnest($1::text[], $2::text[], $3::uuid[], $4::int[], $5::bigint[], $6::bigint[], $7::bool[])
        as r(source, aggregate_type, aggregate_id, epoch, first_seq, last_seq, opens)
), next as materialized (
    select run.* from inbox_stream s join run using (source, aggregate_type, aggregate_id)
    where s.epoch = run.epoch and not s.blocked and s.last_seq = run.first_seq - 1
    order by s.source, s.aggregate_type, s.aggregate_id
    for update of s
), moved as (
    update inbox_stream s set last_seq = next.last_seq, updated_at = clock_now() from next
    where (s.source, s.aggregate_type, s.aggregate_id) = (next.source, next.aggregate_type, next.aggregate_id)
    returning s.source, s.aggregate_type, s.aggregate_id, s.last_seq
), opened as (
    insert into inbox_stream (source, aggregate_type, aggregate_id, epoch, last_seq)
    select source, aggregate_type, aggregate_id, epoch, last_seq from run where opens
    order by source, aggregate_type, aggregate_id
    on conflict do nothing
    returning source, aggregate_type, aggregate_id, last_seq
)
select * from moved union all select * from opened
"""

# A held event that has become the next one gets its time here: should the process die after the commit, a retry finds
# it. A held copy of what is applied now is forgotten.
_WAKE = """
with done as (
    select * from unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[])
        as d(source, aggregate_type, aggregate_id, last_seq)
), passed as (
    delete from inbox_held h using done
    where (h.source, h.aggregate_type, h.aggregate_id) = (done.source, done.aggregate_type, done.aggregate_id)
      and h.seq <= done.last_seq
)
update inbox_held h set next_at = clock_now() from done
where (h.source, h.aggregate_type, h.aggregate_id) = (done.source, done.aggregate_type, done.aggregate_id)
  and h.seq = done.last_seq + 1
returning h.source, h.aggregate_type, h.aggregate_id
"""

_LOCK = """
insert into inbox_stream as s (source, aggregate_type, aggregate_id, epoch) values ($1, $2, $3, $4)
on conflict (source, aggregate_type, aggregate_id) do update set epoch = s.epoch
returning source, aggregate_type, aggregate_id, epoch, last_seq, blocked
"""

_SAVE = """
update inbox_stream set epoch = $4, last_seq = $5, blocked = $6, updated_at = clock_now()
where source = $1 and aggregate_type = $2 and aggregate_id = $3
"""
