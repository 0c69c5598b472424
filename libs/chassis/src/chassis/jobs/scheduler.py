"""The ticking: every process ticks for every job, and the lease decides who runs it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from chassis.jobs.run import run_job
from chassis.jobs.standing import all_jobs
from chassis.telemetry import get_logger

if TYPE_CHECKING:
    from chassis.floor import Floor

TICK_MAX = timedelta(seconds=30)
"""A daily job is asked every 30 s whether it is due: a restart or a lost run delays it by moments, not by a day."""
FINISH_SECONDS = 20.0

_log = get_logger(__name__)


class Scheduler:
    """Runs the jobs of one service while the process lives."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._runs: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop`; a run that is under way then ends after its present item, within 20 s."""
        ticker = AsyncIOScheduler(timezone="UTC")
        for name, job in all_jobs(self._floor.service).items():
            every = min(job.every, TICK_MAX).total_seconds()
            trigger = IntervalTrigger(seconds=every, jitter=min(1.0, every / 10), timezone="UTC")
            ticker.add_job(self._start, trigger, args=(name, stop), id=name, coalesce=True, misfire_grace_time=None)
            await self._start(name, stop)
        ticker.start()
        try:
            await stop.wait()
        finally:
            ticker.shutdown(wait=False)
            await self._finish()

    async def _start(self, name: str, stop: asyncio.Event) -> None:
        """Begin a run, unless this process is still at the last one. A coroutine, so that it is called on the loop."""
        if any(task.get_name() == name for task in self._runs):
            return
        task = asyncio.create_task(self._tick(name, stop), name=name)
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)

    async def _tick(self, name: str, stop: asyncio.Event) -> None:
        try:
            await run_job(self._floor, name, only_if_due=True, stop=stop)
        except Exception as error:  # noqa: BLE001  the next tick tries again
            _log.warning("job.tick_failed", job=name, problem=f"{type(error).__name__}: {error}"[:300])

    async def _finish(self) -> None:
        if not self._runs:
            return
        _, late = await asyncio.wait(set(self._runs), timeout=FINISH_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
