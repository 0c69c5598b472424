"""Held events whose time has come are tried again, one stream at a time per transaction."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chassis.bus import StreamKey
from chassis.inbox import held
from chassis.inbox.apply import DRAIN_MAX, Applier
from chassis.inbox.held import TRIED_ALONE, Reason
from chassis.telemetry import get_logger
from kernel.refusal import Unavailable
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.db import Database, Record

AT_ONCE_MAX = 4
IDLE_SECONDS_MAX = 1.0
IDLE_SECONDS_MIN = 0.02
SUSPECT_DELAYS_SKIPPED = 3
"""A process that restarts into the same event needs seconds, not milliseconds, to serve everybody else."""

_log = get_logger(__name__)


class Retrier:
    """Any number of these may run beside one another: a stream that one has locked is left out by the others."""

    def __init__(self, db: Database, applier: Applier) -> None:
        self._db = db
        self._applier = applier

    async def step(self) -> float:
        """Try what is due; answers the seconds until more may be."""
        due = await self.claim()
        if due:
            await asyncio.gather(*(self._retry(key, at_most) for key, at_most in due))
            return 0.0
        async with self._db.reader() as db:
            seconds = await db.fetchval(_SOONEST)
        return IDLE_SECONDS_MAX if seconds is None else min(max(float(seconds), IDLE_SECONDS_MIN), IDLE_SECONDS_MAX)

    async def claim(self) -> list[tuple[StreamKey, int]]:
        """Count an attempt for each due stream, and commit that before anything runs.

        An event that may kill the process is tried when nothing else is due, alone, and after an interrupted attempt
        it waits longer. Answers streams, each with how many of its held events may share the transaction.
        """
        async with self._db.transaction(actor=Actor.service("inbox"), request_id="inbox-retry") as tx:
            rows = await tx.fetch(_DUE, AT_ONCE_MAX, list(TRIED_ALONE))
            suspects = [row for row in rows if Reason(row["reason"]) in TRIED_ALONE]
            chosen = [row for row in rows if row not in suspects] or suspects[:1]
            for row in chosen:
                count = row["attempts"] + 1 + (SUSPECT_DELAYS_SKIPPED if row in suspects else 0)
                key = _key(row)
                await tx.run(_BEGIN, *key, row["seq"], held.retry_delay(count))
        return [(_key(row), 1 if row in suspects else DRAIN_MAX) for row in chosen]

    async def _retry(self, key: StreamKey, at_most: int) -> None:
        try:
            await self._applier.settle(key, retry=True, at_most=at_most)
        except Unavailable:
            _log.warning("inbox.retry_interrupted", stream=str(key))


def _key(row: Record) -> StreamKey:
    return StreamKey(row["source"], row["aggregate_type"], row["aggregate_id"])


_DUE = """
select h.source, h.aggregate_type, h.aggregate_id, h.seq, h.attempts, h.reason
from inbox_held h join inbox_stream s using (source, aggregate_type, aggregate_id)
where h.next_at <= clock_now() and h.seq = s.last_seq + 1
order by h.reason = any($2::text[]), h.next_at
limit $1
for update of s skip locked
"""

_BEGIN = f"""
update inbox_held set attempts = attempts + 1, next_at = clock_now() + $5::interval,
    reason = case when reason = '{Reason.DROPPED}' then reason else '{Reason.INTERRUPTED}' end
where source = $1 and aggregate_type = $2 and aggregate_id = $3 and seq = $4
"""

_SOONEST = """
select extract(epoch from min(h.next_at) - clock_now())
from inbox_held h join inbox_stream s using (source, aggregate_type, aggregate_id)
where h.next_at is not null and h.seq = s.last_seq + 1
"""
