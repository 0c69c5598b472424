"""A client says what it will upload, and a member takes it back (spec 12.3 step 1, 12.4 step 1)."""

from dataclasses import dataclass
from uuid import UUID

from chassis.db import Record, Tx
from chassis.ids import new_id
from contracts.media import PROTECTED
from kernel.refusal import Conflict, NotFound
from kernel.scope import StoreScope
from media.domain.media import STATES, Kind, Mime, ObjectKey, Status, require_mime_of_kind, require_plain_file_name
from media.repo.attachments import PROTECTED_BY
from media.repo.media import ADD, LOCK_OWN, REQUEST_DELETE
from media.usecases.announcing import announce

_GOING = {Status.DELETE_REQUESTED, Status.DELETE_FAILED}


@dataclass(frozen=True, slots=True)
class Announced:
    """A file as its uploader describes it; what arrives must be exactly that."""

    kind: Kind
    mime: Mime
    file_name: str
    size_bytes: int


async def announce_upload(tx: Tx, scope: StoreScope, user_id: UUID, file: Announced) -> Record:
    """The facts of the new pending medium."""
    require_mime_of_kind(file.kind, file.mime)
    require_plain_file_name(file.file_name)
    media_id = new_id()
    key = ObjectKey.of(scope.store_id, file.kind, media_id, file.mime)
    facts = await tx.fetchrow(
        ADD, media_id, scope.store_id, user_id, file.kind, str(key), file.file_name, file.mime, file.size_bytes
    )
    told = {"kind": file.kind, "mime_type": file.mime, "size_bytes": file.size_bytes}
    tx.audit("media.presign", "media", media_id, told)
    return announce(tx, facts)


async def request_delete(tx: Tx, scope: StoreScope, media_id: UUID) -> None:
    """Begin the grace; a repeat changes nothing. Refused while a licence or an advertisement holds the medium."""
    row = await tx.fetchrow(LOCK_OWN, media_id, scope.store_id)
    if row is None or row["status"] == Status.DELETED:
        raise NotFound
    if row["status"] in _GOING:
        return
    STATES.after(Status(row["status"]), "request_delete")
    holder = await tx.fetchval(PROTECTED_BY, media_id, sorted(PROTECTED))
    if holder is not None:
        raise Conflict("protected", "the file is in use", details={"entity_type": holder})
    announce(tx, await tx.fetchrow(REQUEST_DELETE, media_id))
    tx.audit("media.delete", "media", media_id, {"kind": row["kind"], "status": row["status"]})
