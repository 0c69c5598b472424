"""One run of one job."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from chassis.failpoints import failpoint
from chassis.ids import new_id
from chassis.jobs.lease import Lease, LeaseLost, take
from chassis.jobs.standing import all_jobs
from chassis.telemetry import bound, counter, gauge, get_logger, histogram, span
from kernel.refusal import NotFound, Unavailable
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.clock import SystemClock
    from chassis.db import Database, Reader, Tx
    from chassis.floor import Floor
    from chassis.manifest import Job
    from chassis.settings import ServiceSettings

RUN_SECONDS_MAX = 3600.0

Client = TypeVar("Client")
Item = TypeVar("Item")

_log = get_logger(__name__)
_seconds = histogram("job_duration_seconds", "How long runs took", ("job",))
_success = counter("job_success", "Runs that ended well", ("job",))
_failure = counter("job_failure", "Runs that raised", ("job",))
_succeeded_at = gauge("job_last_success_timestamp_seconds", "When a run of this process last ended well", ("job",))
_period = gauge("job_period_seconds", "How often a job is due", ("job",))
_items_failed = counter("job_items_failed", "Items that were logged and skipped", ("job",))


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """`ran` is False when another process holds the job, or it is not due; then nothing was done."""

    job: str
    ran: bool
    succeeded: bool = True
    items_failed: int = 0
    seconds: float = 0.0


class JobRun:
    """What a job gets. It is also the context of the calls it makes: nobody waits for them, and no user asks."""

    user_id: UUID | None = None
    store_id: UUID | None = None
    deadline: float | None = None

    def __init__(self, floor: Floor, name: str, lease: Lease, stop: asyncio.Event) -> None:
        self.name = name
        self.request_id = f"job-{name}-{new_id()}"
        self.items_failed = 0
        self.floor = floor
        self._lease = lease
        self._stop = stop

    @property
    def db(self) -> Database:
        return self.floor.db

    @property
    def clock(self) -> SystemClock:
        return self.floor.clock

    @property
    def settings(self) -> Any:
        """The service's own settings class."""
        settings: ServiceSettings = self.floor.settings
        return settings

    @property
    def stopping(self) -> bool:
        """Whether the process was told to stop: a job ends early, and the next run goes on from the rows."""
        return self._stop.is_set()

    def client(self, kind: type[Client]) -> Client:
        return self.floor.client(kind)

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        return self.db.reader()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Commits only while this run still holds its job; else raises `LeaseLost` and leaves nothing."""
        async with self.db.transaction(actor=Actor.job(self.name), request_id=self.request_id) as tx:
            tx.at_end(lambda: self._lease.check(tx))
            yield tx

    async def each(self, items: Iterable[Item], handle: Callable[[Item], Awaitable[None]]) -> int:
        """Handle one item after another; one that fails is logged, counted and skipped. Answers how many went well."""
        handled = 0
        for item in items:
            if self.stopping:
                break
            try:
                await handle(item)
                handled += 1
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001  one bad item must not stop the others
                self.items_failed += 1
                _items_failed.labels(job=self.name).inc()
                _log.error("job.item_failed", job=self.name, item=_named(item), exc_info=error)
        return handled

    async def pages(
        self,
        page: Callable[[Reader, Item | None], Awaitable[Sequence[Item]]],
        handle: Callable[[Item], Awaitable[None]],
    ) -> None:
        """Handle all that is due, a page at a time: `page` reads what stands behind an item, and at first behind None.

        What fails holds up nobody behind it, and is due again in the next run. A run has no limit but its time
        (`RUN_SECONDS_MAX`), after an outage as well: what it leaves over would only pile up.
        """
        last: Item | None = None
        while not self.stopping:
            async with self.reader() as db:
                items = await page(db, last)
            if not items:
                return
            await self.each(items, handle)
            last = items[-1]


async def run_job(
    floor: Floor, name: str, *, only_if_due: bool = False, stop: asyncio.Event | None = None
) -> JobOutcome:
    """Run a job once, under its lease. Raises `NotFound` for a name the manifest does not have."""
    job = all_jobs(floor.service).get(name)
    if job is None:
        raise NotFound(message=f"{floor.service.name} has no job {name}")
    _period.labels(job=name).set(job.every.total_seconds())
    lease = await take(floor.db, name, job.every if only_if_due else None)
    if lease is None:
        return JobOutcome(name, ran=False)
    run = JobRun(floor, name, lease, stop or asyncio.Event())
    started = time.monotonic()
    with bound(request_id=run.request_id, job=name), span(f"job {name}"):
        succeeded = await _guarded(job, run, lease)
    seconds = time.monotonic() - started
    _seconds.labels(job=name).observe(seconds)
    (_success if succeeded else _failure).labels(job=name).inc()
    if succeeded:
        _succeeded_at.labels(job=name).set_to_current_time()
    return JobOutcome(name, ran=True, succeeded=succeeded, items_failed=run.items_failed, seconds=seconds)


async def _guarded(job: Job, run: JobRun, lease: Lease) -> bool:
    """Run while the lease is renewed beside it; whichever ends first ends the other. Says whether it ended well."""
    keeping = asyncio.create_task(lease.keep())
    running = asyncio.create_task(_limited(job, run))
    succeeded = False
    try:
        await asyncio.wait({keeping, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            succeeded = True
        else:
            keeping.result()
    except Exception as error:  # noqa: BLE001  a failing job is told, and is due again
        _log.error("job.failed", job=run.name, exc_info=error)
    finally:
        for task in (keeping, running):
            task.cancel()
        await asyncio.gather(keeping, running, return_exceptions=True)
        await _release(lease, succeeded=succeeded)
    return succeeded


async def _limited(job: Job, run: JobRun) -> None:
    await failpoint(f"job.{run.name}")
    async with asyncio.timeout(RUN_SECONDS_MAX):
        await job.run(run)


async def _release(lease: Lease, *, succeeded: bool) -> None:
    """A database that is away leaves the lease to lapse, which is what leases are for."""
    try:
        await lease.release("success" if succeeded else "failure")
    except Unavailable as error:
        _log.warning("job.release_failed", job=lease.job, problem=str(error))


def _named(item: object) -> str:
    """An item in a log: its id when it is a row that has one, never what a row holds."""
    try:
        return str(item["id"])  # type: ignore[index]
    except (TypeError, KeyError, IndexError):
        return str(item) if isinstance(item, UUID | int | str) else type(item).__name__
