"""What follows from a notice of the store: a look at what lies there, then one transaction (spec 3.3, 12.3 step 3).

The notice is only a reason to look. What it says of size and type is believed by nobody, so a forged one does nothing
that looking would not do anyway. Every step can be repeated, whatever was killed after it.
"""

from dataclasses import dataclass

from chassis.db import Database, Record
from chassis.failpoints import failpoint
from chassis.telemetry import counter
from kernel.scope import Actor
from media.clients.storage import Looked, StorageClient
from media.domain.files import Fault, fault_of
from media.domain.media import LOST, PUBLIC, Kind, Mime, Status
from media.domain.notices import Happened, Notice
from media.queries import medium_of_key
from media.usecases.arrivals import settle_arrival, settle_loss

_empty = counter("storage_notices_empty_total", "Notices that a look into the store did not bear out", ("happened",))


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where media lie, and how their rows are reached. `public_base` None: nothing is served without a signature."""

    db: Database
    storage: StorageClient
    public_base: str | None


async def handle(shelf: Shelf, notice: Notice, message_id: str) -> bool:
    """Bring the medium up to what lies in the store. False for a key that no medium has (yet)."""
    async with shelf.db.reader() as db:
        medium = await medium_of_key(db, str(notice.key))
    if medium is None:
        return False
    settle = _arrived if notice.happened is Happened.FINALIZED else _gone
    status = await settle(shelf, medium, message_id)
    if status is None or status in LOST:
        await shelf.storage.delete(medium["gcs_key"])
    return True


async def _arrived(shelf: Shelf, medium: Record, message_id: str) -> Status | None:
    """An upload becomes uploaded or failed; whatever else the medium is, it stays."""
    if medium["status"] != Status.PENDING:
        return Status(medium["status"])
    found = await shelf.storage.look_at(medium["gcs_key"])
    await failpoint("listener.looked")
    if found is None:
        _empty.labels(happened=Happened.FINALIZED).inc()
        return Status.PENDING
    fault = fault_of(found.arrived, mime=Mime(medium["mime_type"]), size_bytes=medium["size_bytes"])
    public_url = None if fault else await _published(shelf, medium, found)
    return await _settled(shelf, medium, fault, public_url, message_id)


async def _published(shelf: Shelf, medium: Record, found: Looked) -> str | None:
    """The address without a signature, where the medium may have one; the copy is there before anybody hears of it."""
    if shelf.public_base is None or Kind(medium["kind"]) not in PUBLIC:
        return None
    key = medium["gcs_key"]
    await shelf.storage.publish(key, Mime(medium["mime_type"]), found.generation)
    await failpoint("listener.copied")
    return f"{shelf.public_base.rstrip('/')}/{key}"


async def _settled(
    shelf: Shelf, medium: Record, fault: Fault | None, public_url: str | None, message_id: str
) -> Status | None:
    async with shelf.db.transaction(actor=_LISTENER, request_id=f"notice-{message_id}") as tx:
        return await settle_arrival(tx, medium["id"], fault, public_url=public_url, message_id=message_id)


async def _gone(shelf: Shelf, medium: Record, message_id: str) -> Status | None:
    """An object that is still there was not deleted, or has come since."""
    if await shelf.storage.exists(medium["gcs_key"]):
        _empty.labels(happened=Happened.DELETED).inc()
        return Status(medium["status"])
    await failpoint("listener.looked")
    async with shelf.db.transaction(actor=_LISTENER, request_id=f"notice-{message_id}") as tx:
        return await settle_loss(tx, medium["id"], message_id=message_id)


_LISTENER = Actor.service("media")
