"""How an object goes for good: the question to the owners, the intent, the call, the outcome (spec 12.4 step 2)."""

from uuid import UUID

from chassis.db import Record
from chassis.failpoints import failpoint
from chassis.jobs import JobRun
from chassis.telemetry import get_logger
from kernel.refusal import Unavailable
from media.clients.references import ReferencesClient
from media.clients.storage import StorageClient
from media.usecases import deletion

_log = get_logger(__name__)


class OwnerAwayError(Exception):
    """An owner did not answer: what it may hold has to wait."""


async def finish(run: JobRun, medium: Record) -> None:
    """One medium whose grace is over. A store that does not answer is counted. Raises `OwnerAwayError`."""
    media_id: UUID = medium["id"]
    if medium["deletion_began_at"] is None and not await _begun(run, media_id):
        return
    await failpoint("deletion.began")
    try:
        await run.client(StorageClient).delete(medium["gcs_key"])
    except Unavailable:
        async with run.transaction() as tx:
            await deletion.count_failure(tx, media_id)
        return
    await failpoint("deletion.object_gone")
    async with run.transaction() as tx:
        await deletion.finish_deletion(tx, media_id)


async def _begun(run: JobRun, media_id: UUID) -> bool:
    try:
        references = await run.client(ReferencesClient).protected(media_id, run)
    except Unavailable as away:
        _log.info("media.delete_waits", media_id=str(media_id), owner=(away.details or {}).get("service"))
        raise OwnerAwayError from away
    async with run.transaction() as tx:
        return await deletion.begin_deletion(tx, media_id, references)


async def remove_stale(run: JobRun, medium: Record) -> None:
    """One upload that never came, or whose notice was lost: the stray object first, then the row."""
    media_id: UUID = medium["id"]
    async with run.transaction() as tx:
        if not await deletion.begin_removal(tx, media_id):
            return
    await run.client(StorageClient).delete(medium["gcs_key"])
    async with run.transaction() as tx:
        await deletion.remove(tx, media_id)
