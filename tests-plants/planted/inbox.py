"""Inboxes that remember elsewhere, too early or too late, and databases that forget."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from chassis.bus import Stamp, StreamKey
from chassis.db import Tx, database
from chassis.failpoints import failpoint
from chassis.inbox import HeldEvent, streams
from chassis.inbox.apply import Applied, Applier
from chassis.inbox.consumer import Consumer
from chassis.inbox.held import Delivery
from chassis.inbox.session import Arrival, Session
from chassis.inbox.streams import Run, Stream, Verdict
from planted.registry import plant

LOST, DOUBLED, DAMAGED = "lost=[1-9]", "doubled=[1-9]", "(lost|doubled|inverted)=[1-9]"


@plant("ack before commit", evidence=LOST)
def ack_first() -> None:
    async def record(self: Session, batch: Sequence[Arrival]) -> None:
        await self._acknowledge(batch)
        await self._apply([delivery for delivery, _ in batch])

    Session._record = record  # type: ignore[method-assign]


@plant("Redis mark-first", evidence=LOST)
def mark_first() -> None:
    _decide_by_redis(first=True)


@plant("Redis mark-after", evidence=DOUBLED)
def mark_after() -> None:
    _decide_by_redis(first=False)


def _decide_by_redis(*, first: bool) -> None:
    """A key knows what was processed; the stream's number decides nothing."""
    init = Consumer.__init__

    def remembering(self: Consumer, floor: Any) -> None:
        init(self, floor)
        self.applier.apply = _by_key(self.applier, floor.redis, first=first)  # type: ignore[method-assign]

    Consumer.__init__ = remembering  # type: ignore[method-assign]


def _by_key(applier: Applier, redis: Any, *, first: bool) -> Any:
    async def apply(deliveries: Sequence[Delivery]) -> bool:
        for delivery in sorted(deliveries, key=lambda each: each.stamp.seq):
            key = f"plant:{delivery.stamp.event_id}"
            if await redis.get(key):
                continue
            if first:
                await redis.set(key, "1")
            async with applier._transaction() as tx:
                await applier._handle(tx, delivery)
                await failpoint("inbox.before_commit")
            await failpoint("inbox.after_commit")
            await redis.set(key, "1")
        return False

    return apply


@plant("inbox moves the number apart from the effect", evidence=LOST)
def number_apart() -> None:
    async def advance(
        self: Applier, runs: Mapping[StreamKey, Run], groups: Mapping[StreamKey, Sequence[Delivery]]
    ) -> dict[StreamKey, bool]:
        if not runs:
            return {}
        async with self._transaction() as tx:
            advanced = await streams.advance(tx, list(runs.values()))
        async with self._transaction() as tx:
            for key in advanced:
                for delivery in groups[key]:
                    await self._handle(tx, delivery)
            await failpoint("inbox.before_commit")
        await failpoint("inbox.after_commit")
        return advanced

    Applier._advance = advance  # type: ignore[method-assign]


@plant("inbox applies a gap", evidence=DAMAGED)
def jump_gaps() -> None:
    verdict = Stream.verdict

    def impatient(self: Stream, stamp: Stamp, *, closes_gap: bool = False) -> Verdict:
        found = verdict(self, stamp, closes_gap=closes_gap)
        return Verdict.APPLY if found is Verdict.HOLD and not self.blocked else found

    Stream.verdict = impatient  # type: ignore[method-assign]


@plant("inbox passes over a failure", evidence=LOST)
def pass_failures() -> None:
    attempt = Applier._attempt

    async def careless(self: Applier, tx: Tx, stream: Stream, event: HeldEvent, applied: Applied) -> None:
        await attempt(self, tx, stream, event, applied)
        stream.last_seq, stream.blocked = event.stamp.seq, False

    Applier._attempt = careless  # type: ignore[method-assign]


@plant("synchronous_commit=off", evidence="DID NOT RAISE")
def forgetful() -> None:
    prepare = database._prepare

    async def trusting(connection: asyncpg.Connection) -> None:
        try:
            await prepare(connection)
        except database.UnsafeDatabase:
            return

    database._prepare = trusting
