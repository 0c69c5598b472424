"""Defects for the supervisor's processes (reliability 2.c7): what one might write instead of the inbox."""

from collections.abc import Callable, Mapping, Sequence

from chassis.failpoints import failpoint
from chassis.floor import Floor
from chassis.inbox.apply import Applier
from chassis.inbox.held import Delivery
from chassis.inbox.session import Arrival, Session


def ack_before_commit(_floor: Floor) -> None:
    async def acknowledge_first(self: Session, batch: Sequence[Arrival]) -> None:
        await self._acknowledge(batch)
        await self._apply([delivery for delivery, _ in batch])

    Session._record = acknowledge_first  # type: ignore[method-assign]


def redis_marks_first(floor: Floor) -> None:
    _decide_by_redis(floor, first=True)


def redis_marks_after(floor: Floor) -> None:
    _decide_by_redis(floor, first=False)


def _decide_by_redis(floor: Floor, *, first: bool) -> None:
    """A key knows what was processed; the stream's number decides nothing."""

    async def by_key(self: Applier, deliveries: Sequence[Delivery]) -> bool:
        for delivery in sorted(deliveries, key=lambda each: each.stamp.seq):
            key = f"plant:{delivery.stamp.event_id}"
            if await floor.redis.get(key):
                continue
            if first:
                await floor.redis.set(key, "1")
            async with self._transaction() as tx:
                await self._handle(tx, delivery)
                await failpoint("inbox.before_commit")
            await failpoint("inbox.after_commit")
            await floor.redis.set(key, "1")
        return False

    Applier.apply = by_key  # type: ignore[method-assign]


PLANTS: Mapping[str, Callable[[Floor], None]] = {
    "ack before commit": ack_before_commit,
    "Redis mark-first": redis_marks_first,
    "Redis mark-after": redis_marks_after,
}
