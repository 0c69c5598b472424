"""The second half of a deletion, each step a transaction of its own (spec 12.4 step 2)."""

from collections.abc import Sequence
from uuid import UUID

from chassis.db import Record, Tx
from chassis.telemetry import counter, get_logger
from contracts.media import PROTECTED, MediaChanged, MediaReference
from media.domain.media import STATES, Status
from media.repo.attachments import DETACH_ALL, PROTECTED_BY
from media.repo.media import (
    BEGIN_DELETION,
    COUNT_FAILURE,
    DELETED,
    GIVE_UP,
    LOCK_FACTS,
    LOCK_FREE,
    REMOVE,
    RESTORE,
)
from media.usecases.announcing import announce

ATTEMPTS_MAX = 10

_log = get_logger(__name__)
_given_up = counter("media_deletes_given_up_total", "Objects that the store did not delete in ten attempts")


async def begin_deletion(tx: Tx, media_id: UUID, references: Sequence[MediaReference]) -> bool:
    """Whether the object may go now, after which nothing brings the medium back.

    Who holds a protected reference, by event or by the owner's own word, gets the medium back as it was.
    """
    row = await tx.fetchrow(LOCK_FREE, media_id)
    if row is None or row["status"] != Status.DELETE_REQUESTED:
        return False
    if row["deletion_began_at"] is not None:
        return True
    if references or await tx.fetchval(PROTECTED_BY, media_id, sorted(PROTECTED)) is not None:
        announce(tx, await tx.fetchrow(RESTORE, media_id))
        tx.audit("media.restore", "media", media_id, {"status": row["former_status"]})
        return False
    await tx.run(BEGIN_DELETION, media_id)
    return True


async def finish_deletion(tx: Tx, media_id: UUID) -> None:
    """The object is gone. A notice of the store may have told it before."""
    row = await tx.fetchrow(LOCK_FREE, media_id)
    if row is None or not STATES.allows(Status(row["status"]), "finish"):
        return
    await tx.run(DETACH_ALL, media_id)
    announce(tx, await tx.fetchrow(DELETED, media_id))


async def count_failure(tx: Tx, media_id: UUID) -> None:
    """The store did not delete: after ten times somebody has to look, and it is tried hourly."""
    row = await tx.fetchrow(LOCK_FREE, media_id)
    if row is None:
        return
    attempts = await tx.fetchval(COUNT_FAILURE, media_id)
    if attempts >= ATTEMPTS_MAX and STATES.allows(Status(row["status"]), "give_up"):
        _given_up.inc()
        _log.error("media.delete_failed", media_id=str(media_id), attempts=attempts)
        announce(tx, await tx.fetchrow(GIVE_UP, media_id))


async def begin_removal(tx: Tx, media_id: UUID) -> bool:
    """Whether the row of an upload that never came may go: from now on it is too late to come."""
    row = await tx.fetchrow(LOCK_FREE, media_id)
    if row is None or row["status"] != Status.PENDING:
        return False
    await tx.run(BEGIN_DELETION, media_id)
    return True


async def remove(tx: Tx, media_id: UUID) -> None:
    """Take the row away, and say so as a tombstone to those who have heard of it."""
    row: Record | None = await tx.fetchrow(LOCK_FACTS, media_id)
    if row is None or row["status"] != Status.PENDING:
        return
    await tx.run(REMOVE, media_id)
    gone = {"version": row["version"] + 1, "deleted": True, "status": Status.DELETED}
    tx.emit(MediaChanged.model_validate({**dict(row), **gone}))
