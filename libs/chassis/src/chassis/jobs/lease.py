"""One row per job: who holds it, under which fencing token, until when, and how the last run ended."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from chassis.ids import new_id
from chassis.loops import Backoff
from chassis.telemetry import get_logger
from kernel.refusal import Unavailable
from kernel.scope import Actor

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from chassis.db import Database, Tx

LEASE = timedelta(seconds=20)
"""Far under the 5 min that are allowed: a job that finishes interrupted checkouts must go on within 60 s of a crash."""
RENEW_SECONDS = 5.0
RETRY_AFTER_FAILURE = timedelta(seconds=60)
PERIOD_TOLERANCE = 0.9
"""Ticks of several processes are not in step; without it every second one would come a moment too early."""

_log = get_logger(__name__)


class LeaseLost(Exception):  # noqa: N818  it tells what happened
    """Somebody else holds the job by now: whatever this run still does is rolled back."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Held by one run until it ends, or until its process was silent for longer than the lease."""

    db: Database
    job: str
    holder: str
    token: int

    async def check(self, tx: Tx) -> None:
        """Raises `LeaseLost` unless the job is still ours; nobody takes it over before this transaction ends."""
        if await tx.fetchval(_CHECK, self.job, self.token) is None:
            raise LeaseLost(self.job)

    async def keep(self) -> None:
        """Renew until cancelled. Raises `LeaseLost` when there is nothing left to renew."""
        backoff = Backoff()
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with _transaction(self.db, self.job) as tx:
                    renewed = await tx.run(_RENEW, self.job, self.token, LEASE)
            except Unavailable as error:
                _log.warning("job.renewal_failed", job=self.job, problem=str(error))
                await asyncio.sleep(backoff.pause())
                continue
            backoff.reset()
            if not renewed:
                raise LeaseLost(self.job)

    async def release(self, result: str) -> None:
        """Say how the run ended, and leave the job to whoever is due next."""
        async with _transaction(self.db, self.job) as tx:
            await tx.run(_RELEASE, self.job, self.token, result)


async def take(db: Database, job: str, every: timedelta | None) -> Lease | None:
    """The lease, when nobody holds it and the job is due; `every` None means now, whenever it ran last.

    A run that failed is due again after a minute, however long the period.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{str(new_id())[-12:]}"
    period = None if every is None else every * PERIOD_TOLERANCE
    soon = None if period is None else min(period, RETRY_AFTER_FAILURE)
    async with _transaction(db, job) as tx:
        token = await tx.fetchval(_TAKE, job, holder, LEASE, period, soon)
    return None if token is None else Lease(db, job, holder, token)


def _transaction(db: Database, job: str) -> AbstractAsyncContextManager[Tx]:
    return db.transaction(actor=Actor.job(job), request_id=f"lease-{job}")


_TAKE = """
insert into job_leases as l (job, holder, fencing_token, expires_at, last_started_at)
values ($1, $2, 1, clock_now() + $3::interval, clock_now())
on conflict (job) do update set holder = excluded.holder, fencing_token = l.fencing_token + 1,
    expires_at = excluded.expires_at, last_started_at = excluded.last_started_at
where (l.expires_at is null or l.expires_at <= clock_now())
  and ($4::interval is null or l.last_started_at is null or l.holder is not null
       or l.last_started_at <= clock_now() - case l.last_result when 'success' then $4::interval else $5::interval end)
returning fencing_token
"""

_CHECK = "select 1 from job_leases where job = $1 and fencing_token = $2 and holder is not null for share"

_RENEW = "update job_leases set expires_at = clock_now() + $3::interval where job = $1 and fencing_token = $2"

_RELEASE = """
update job_leases set holder = null, expires_at = null, last_finished_at = clock_now(), last_result = $3
where job = $1 and fencing_token = $2
"""
