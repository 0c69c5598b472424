"""Who holds a medium, as its holders tell it (spec 3.1, 12.3 step 5)."""

from chassis.db import Record, Tx
from chassis.telemetry import counter, get_logger
from contracts.media import Attachment, Detachment
from kernel.refusal import NotFound
from media.domain.media import STATES, Status
from media.repo.attachments import ATTACH, DETACH, PURGED
from media.repo.media import LOCK, REQUEST_DELETE
from media.usecases.announcing import announce

_log = get_logger(__name__)
_late = counter("media_attached_too_late_total", "Uses of media that were already being deleted", ("entity_type",))


async def attach(tx: Tx, event: Attachment) -> None:
    """Record the use. What is going, or gone, cannot be held any more: such a use is over at once, with an alarm."""
    row = await _locked(tx, event)
    too_late = row["deletion_began_at"] is not None or row["status"] == Status.DELETED
    if too_late:
        _late.labels(entity_type=event.entity_type).inc()
        _log.error("media.attached_too_late", media_id=str(event.media_id), entity_type=event.entity_type)
    await tx.run(
        ATTACH,
        event.attachment_id,
        event.media_id,
        event.entity_type,
        event.entity_id,
        event.store_id,
        event.gcs_key,
        event.attached_at,
        tx.now if too_late else None,
    )


async def detach(tx: Tx, event: Detachment) -> None:
    """End the use; the medium goes too when that was wanted and nobody else holds it."""
    row = await _locked(tx, event)
    await tx.run(
        DETACH,
        event.attachment_id,
        event.media_id,
        event.entity_type,
        event.entity_id,
        event.store_id,
        row["gcs_key"],
        event.detached_at,
        event.purge,
    )
    if STATES.allows(Status(row["status"]), "request_delete") and await tx.fetchval(PURGED, event.media_id):
        announce(tx, await tx.fetchrow(REQUEST_DELETE, event.media_id))
        tx.audit("media.purge", "media", event.media_id, {"entity_type": event.entity_type})


async def _locked(tx: Tx, event: Attachment | Detachment) -> Record:
    """Raises `NotFound` for a medium that never was: such an event is held, with an alarm."""
    row = await tx.fetchrow(LOCK, event.media_id)
    if row is None:
        raise NotFound
    return row
