"""Held events: acknowledged to the broker, kept here until their turn comes or their handler succeeds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from chassis.bus import Envelope, Stamp, StreamKey

if TYPE_CHECKING:
    from chassis.db import Reader, Record, Tx

ERROR_CHARACTERS_MAX = 1024
RETRY_SECONDS = (0.05, 0.2, 0.8, 5.0, 30.0, 120.0, 600.0, 1200.0, 2400.0, 3600.0)


class Reason(StrEnum):
    """Why an event is held."""

    WAITING = "waiting"  # for the number before it, or behind a failing event
    FAILED = "failed"  # its handler raised
    REFUSED = "refused"  # its handler raised a business refusal
    NOT_YET = "not_yet"  # its handler needs a fact that has not come
    UNREADABLE = "unreadable"  # its body does not parse, or fails its contract
    REDELIVERED = "redelivered"  # it may be what killed the process: nothing else is in the transaction that tries it
    INTERRUPTED = "interrupted"  # an attempt began and nothing was heard of it
    DROPPED = "dropped"  # a person dropped it; its number is passed over when its turn comes


TRIED_ALONE = frozenset({Reason.REDELIVERED, Reason.INTERRUPTED})


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event as it arrived. `suspicious`: it was redelivered so often that it may be what kills the consumer.
    `closes_gap`: the source sent it as the answer to a gap.
    """

    stamp: Stamp
    body: bytes
    suspicious: bool = False
    closes_gap: bool = False

    @classmethod
    def of(cls, envelope: Envelope, *, closes_gap: bool = False) -> Self:
        return cls(envelope.stamp, envelope.to_body(), closes_gap=closes_gap)


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """One held event, as operators see it."""

    delivery: Delivery
    attempts: int
    reason: Reason
    error: str | None
    held_at: datetime
    next_at: datetime | None

    @property
    def stamp(self) -> Stamp:
        return self.delivery.stamp


def retry_delay(attempts: int) -> timedelta:
    """The pause after that many failed attempts, with a fifth of jitter either way."""
    seconds = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311  spreads retries, no secret


async def hold(tx: Tx, delivery: Delivery, reason: Reason, *, now: bool = False) -> None:
    """Keep an event that was not tried. `now`: it is the next of its stream, so a retry may take it at once."""
    await tx.run(_HOLD, *_place(delivery), delivery.body, reason, now)


async def fail(tx: Tx, delivery: Delivery, attempts: int, reason: Reason, error: str) -> None:
    """Keep an event whose attempt failed; it is tried again after the pause that belongs to this many attempts."""
    text = error.replace("\x00", " ")[:ERROR_CHARACTERS_MAX]
    await tx.run(_FAIL, *_place(delivery), delivery.body, attempts, reason, text, retry_delay(attempts))


async def following(db: Reader, key: StreamKey, last_seq: int, limit: int) -> list[HeldEvent]:
    """The held events that come right after this number, without a gap between them."""
    rows = await db.fetch(f"select {COLUMNS} {_FOLLOWING}", *key, last_seq, limit)
    contiguous = [row for place, row in enumerate(rows, last_seq + 1) if row["seq"] == place]
    return [held_event(row) for row in contiguous]


async def forget(tx: Tx, key: StreamKey, last_seq: int) -> None:
    """Remove what the stream has passed."""
    await tx.run(_FORGET, *key, last_seq)


async def wake_next(tx: Tx, key: StreamKey, last_seq: int) -> bool:
    """Let a retry take the event after this number at once; False when it is not here."""
    return await tx.run(_WAKE, *key, last_seq + 1) > 0


async def discard(tx: Tx, key: StreamKey, below: int | None) -> int:
    """Forget the held events with a number under `below`, or all of them, because a baseline says what they said."""
    return await tx.run(_DISCARD, *key, below)


def held_event(row: Record) -> HeldEvent:
    stamp = Stamp(
        row["event_id"],
        row["topic"],
        row["source"],
        row["epoch"],
        row["aggregate_type"],
        row["aggregate_id"],
        row["seq"],
        row["baseline"],
    )
    return HeldEvent(
        Delivery(stamp, row["body"]),
        row["attempts"],
        Reason(row["reason"]),
        row["error"],
        row["held_at"],
        row["next_at"],
    )


def _place(delivery: Delivery) -> Sequence[object]:
    stamp = delivery.stamp
    return (*stamp.stream, stamp.seq, stamp.epoch, stamp.event_id, stamp.topic, stamp.baseline)


COLUMNS = (
    "source, aggregate_type, aggregate_id, seq, epoch, event_id, topic, baseline, body, attempts, reason, error, "
    "held_at, next_at"
)

_HOLD = """
insert into inbox_held (source, aggregate_type, aggregate_id, seq, epoch, event_id, topic, baseline, body,
                        reason, next_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, case when $11::bool then clock_now() end)
on conflict do nothing
"""

_FAIL = """
insert into inbox_held (source, aggregate_type, aggregate_id, seq, epoch, event_id, topic, baseline, body,
                        attempts, reason, error, next_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, clock_now() + $13::interval)
on conflict (source, aggregate_type, aggregate_id, seq) do update set
    attempts = excluded.attempts, reason = excluded.reason, error = excluded.error, next_at = excluded.next_at
"""

_FOLLOWING = """
from inbox_held where source = $1 and aggregate_type = $2 and aggregate_id = $3 and seq > $4 order by seq limit $5
"""

_FORGET = """
delete from inbox_held where source = $1 and aggregate_type = $2 and aggregate_id = $3 and seq <= $4
"""

_WAKE = """
update inbox_held set next_at = least(next_at, clock_now())
where source = $1 and aggregate_type = $2 and aggregate_id = $3 and seq = $4
"""

_DISCARD = """
delete from inbox_held
where source = $1 and aggregate_type = $2 and aggregate_id = $3 and ($4::bigint is null or seq < $4)
"""
