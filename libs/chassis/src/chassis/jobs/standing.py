"""Jobs that every service has because of the floor it stands on, beside those of its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from chassis.manifest import Job

if TYPE_CHECKING:
    from chassis.jobs.run import JobRun
    from chassis.manifest import Service

DAILY = timedelta(hours=24)


def all_jobs(service: Service) -> Mapping[str, Job]:
    """By name. A service that hears nothing has no tails to check, one without tables nothing to delete."""
    jobs = dict(service.jobs)
    if service.metadata is not None:
        jobs["delete-expired-keys"] = Job(every=DAILY, run=_delete_expired_keys)
    if service.bindings:
        jobs["check-event-tails"] = Job(every=DAILY, run=_check_event_tails)
    return jobs


async def _delete_expired_keys(run: JobRun) -> None:
    from chassis.idempotency import delete_expired

    await delete_expired(run.db)


async def _check_event_tails(run: JobRun) -> None:
    """Nightly: what a source has said and this service neither applied nor holds is fetched."""
    from chassis.inbox import Consumer

    await Consumer(run.floor).gaps.check_tails()
