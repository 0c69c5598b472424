"""Defects that the suite must catch (reliability 2.c7). Each replaces a piece of the inbox by what one might write instead."""

from collections.abc import Callable, Sequence
from typing import Any

from chassis.inbox import apply, streams
from chassis.inbox.apply import Applier
from chassis.inbox.held import Delivery
from chassis.inbox.session import Arrival, Session
from chassis.inbox.streams import Stream, Verdict
from redis.asyncio import Redis

Patch = Callable[[Any, str, Any], None]


def ack_before_commit(patch: Patch) -> None:
    record = Session._record

    async def acknowledge_first(self: Session, batch: Sequence[Arrival]) -> None:
        await self._acknowledge(batch)
        await record(self, batch)

    async def nothing(_self: Session, _batch: Sequence[Arrival]) -> None:
        return

    async def both(self: Session, batch: Sequence[Arrival]) -> None:
        patch(Session, "_acknowledge", acknowledge)
        await acknowledge(self, batch)
        patch(Session, "_acknowledge", nothing)
        await record(self, batch)

    acknowledge = Session._acknowledge
    del acknowledge_first
    patch(Session, "_record", both)


def redis_marks_first(patch: Patch) -> None:
    _decide_by_redis(patch, first=True)


def redis_marks_after(patch: Patch) -> None:
    _decide_by_redis(patch, first=False)


def _decide_by_redis(patch: Patch, *, first: bool) -> None:
    """Redis knows what was processed, and the stream's number decides nothing."""

    async def one(self: Applier, delivery: Delivery, redis: Redis) -> None:
        key = f"plant:{delivery.stamp.event_id}"
        if await redis.get(key):
            return
        if first:
            await redis.set(key, "1")
        async with self._transaction() as tx:
            await self._handle(tx, delivery)
            await apply.failpoint("inbox.before_commit")
        await apply.failpoint("inbox.after_commit")
        await redis.set(key, "1")

    async def by_redis(self: Applier, deliveries: Sequence[Delivery]) -> bool:
        redis = Redis(db=REDIS_NUMBER)
        for delivery in sorted(deliveries, key=lambda each: each.stamp.seq):
            await one(self, delivery, redis)
        return False

    patch(Applier, "apply", by_redis)


def jump_gaps(patch: Patch) -> None:
    verdict = Stream.verdict

    def impatient(self: Stream, stamp: Any, *, closes_gap: bool = False) -> Verdict:
        found = verdict(self, stamp, closes_gap=closes_gap)
        return Verdict.APPLY if found is Verdict.HOLD and not self.blocked else found

    patch(Stream, "verdict", impatient)


def move_past_failures(patch: Patch) -> None:
    """A failing event is dropped and acknowledged."""

    async def skip(_self: Applier, _tx: Any, stream: Stream, event: Any, _applied: Any) -> None:
        stream.last_seq = event.stamp.seq

    patch(Applier, "_attempt", skip)


def number_apart_from_effect(patch: Patch) -> None:
    """The number is committed first, the effect after it."""
    assert streams
    settle, advance = Applier.settle, Applier._advance
    assert settle
    del advance
