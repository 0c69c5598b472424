"""What the clock starts (spec 3.3)."""

from datetime import timedelta
from functools import partial

from chassis.db import Record
from chassis.jobs import JobRun
from media import queries
from media.clients.storage import StorageClient
from media.domain.media import ObjectKey
from media.flows import deletion
from media.usecases import notices

BATCH = 100
BATCHES_MAX = 50
STRAY_AFTER = timedelta(days=7)
LISTED = 1000
LISTINGS_MAX = 1000
"""A million objects of each bucket in one run."""


async def finalise_deletes(run: JobRun) -> None:
    """Delete the objects whose grace is over; what has to wait is looked at again in a minute.

    An owner that was away once is not asked again in this run: each question would cost the whole of its time limit.
    What was begun needs no answer and is finished all the same.
    """
    away = False

    async def finish(medium: Record) -> None:
        nonlocal away
        if away and medium["deletion_began_at"] is None:
            return
        try:
            await deletion.finish(run, medium)
        except deletion.OwnerAwayError:
            away = True

    await run.pages(lambda db, last: queries.due_for_deletion(db, last, BATCH), finish)


async def retry_failed_deletes(run: JobRun) -> None:
    """Try those again that the store did not delete in ten attempts."""
    await run.pages(lambda db, last: queries.delete_failed(db, last, BATCH), partial(deletion.finish, run))


async def clear_stale_uploads(run: JobRun) -> None:
    """Forget what was announced a week ago and never came."""
    await run.pages(lambda db, last: queries.stale_uploads(db, last, BATCH), partial(deletion.remove_stale, run))


async def sweep_strays(run: JobRun) -> None:
    """Delete objects of a week ago with keys like ours that belong to no medium, in both buckets (reliability 3.9)."""
    storage = run.client(StorageClient)
    for bucket in storage.buckets:
        after = ""
        for _ in range(LISTINGS_MAX):
            listed = await storage.keys(bucket, after, LISTED)
            old = [
                one.key for one in listed if one.created_at < run.clock.now() - STRAY_AFTER and ObjectKey.parse(one.key)
            ]
            await _sweep(run, old)
            if len(listed) < LISTED or run.stopping:
                break
            after = listed[-1].key


async def forget_notices(run: JobRun) -> None:
    """Forget which messages of the store were settled, a month later (spec 16.5)."""
    for _ in range(BATCHES_MAX):
        async with run.transaction() as tx:
            if await notices.forget(tx, LISTED) < LISTED or run.stopping:
                return


async def _sweep(run: JobRun, keys: list[str]) -> None:
    async with run.reader() as db:
        strays = await queries.strays(db, keys)
    await run.each(sorted(strays), run.client(StorageClient).delete)
