"""What a look into the store means for a medium (spec 3.2). Each is one transaction, and a repeat changes nothing."""

from uuid import UUID

from chassis.db import Tx
from chassis.telemetry import counter, get_logger
from media.domain.files import Fault
from media.domain.media import STATES, Status
from media.repo.attachments import DETACH_ALL
from media.repo.media import ACCEPT, DELETED, LOCK, REFUSE
from media.usecases.announcing import announce
from media.usecases.notices import remember

_log = get_logger(__name__)
_arrived = counter("media_arrivals_total", "Uploads by what came of them: uploaded, or the fault", ("outcome",))
_vanished = counter("media_vanished_total", "Objects that nobody of ours has deleted and that are gone")


async def settle_arrival(
    tx: Tx, media_id: UUID, fault: Fault | None, *, public_url: str | None, message_id: str
) -> Status | None:
    """The state of the medium afterwards; None when there is no such medium (any more)."""
    row = await tx.fetchrow(LOCK, media_id)
    if row is None:
        return None
    status = Status(row["status"])
    await remember(tx, message_id)
    if status is not Status.PENDING or row["deletion_began_at"] is not None:
        return status
    _arrived.labels(outcome=fault or "uploaded").inc()
    if fault is None:
        announce(tx, await tx.fetchrow(ACCEPT, media_id, public_url))
        return STATES.after(status, "accept")
    _log.warning("media.refused", media_id=str(media_id), fault=fault)
    announce(tx, await tx.fetchrow(REFUSE, media_id))
    return STATES.after(status, "refuse")


async def settle_loss(tx: Tx, media_id: UUID, *, message_id: str) -> Status | None:
    """The object is gone: asked for, or not, which is alarming. Answers the state afterwards."""
    row = await tx.fetchrow(LOCK, media_id)
    if row is None:
        return None
    status = Status(row["status"])
    await remember(tx, message_id)
    if not STATES.allows(status, "vanish"):
        return status
    if row["former_status"] is None:
        _vanished.inc()
        _log.error("media.vanished", media_id=str(media_id))
        tx.audit("media.vanished", "media", media_id, {"kind": row["kind"], "status": status})
    await tx.run(DETACH_ALL, media_id)
    announce(tx, await tx.fetchrow(DELETED, media_id))
    return STATES.after(status, "vanish")
