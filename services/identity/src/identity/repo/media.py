"""The projection of media's media (spec 2.1)."""

from uuid import UUID

from chassis.db import Reader, Record, Tx
from contracts.media import MediaChanged
from identity.domain.media import Medium
from kernel.scope import StoreScope

_MEDIUM = "select media_id, store_id, kind, status, mime_type, gcs_key, public_url, doubted from media"
_OWN = "where media_id = $1 and store_id = $2 and not deleted"

_KEEP = """
insert into media as m (
    media_id, source_epoch, version, deleted, store_id, kind, status, mime_type, gcs_key, public_url, updated_at
) values (
    $1, coalesce($2, (select max(source_epoch) from media), 1), $3, $4, $5, $6, $7, $8, $9, $10, clock_now()
)
on conflict (media_id) do update set
    source_epoch = excluded.source_epoch, version = excluded.version, deleted = excluded.deleted,
    store_id = excluded.store_id, kind = excluded.kind, status = excluded.status, mime_type = excluded.mime_type,
    gcs_key = excluded.gcs_key, public_url = excluded.public_url, updated_at = excluded.updated_at,
    doubted = m.doubted and (excluded.source_epoch, excluded.version) = (m.source_epoch, m.version)
where (excluded.source_epoch, excluded.version) >= (m.source_epoch, m.version)
"""
"""Keeps a medium's state unless a newer one is known, and ends a doubt that is older than it. Versions count anew in a
higher epoch of media; an answer to a question carries no epoch ($2 is null) and belongs to the newest one heard of.
"""


def _medium(row: Record | None) -> Medium | None:
    return Medium.model_validate(dict(row)) if row else None


async def own(db: Reader, scope: StoreScope, media_id: UUID) -> Medium | None:
    return _medium(await db.fetchrow(f"{_MEDIUM} {_OWN}", media_id, scope.store_id))


async def held(tx: Tx, scope: StoreScope, media_id: UUID) -> Medium | None:
    """The medium, which stays as it is until this transaction ends. Taken before the store's lock."""
    return _medium(await tx.fetchrow(f"{_MEDIUM} {_OWN} for share", media_id, scope.store_id))


async def keep(tx: Tx, medium: MediaChanged, *, epoch: int | None = None) -> bool:
    """Tells whether this is the newest state that is known. `epoch` is that of the event, None for an answer."""
    kept = await tx.run(
        _KEEP,
        medium.media_id,
        epoch,
        medium.version,
        medium.deleted,
        medium.store_id,
        medium.kind,
        medium.status,
        medium.mime_type,
        medium.gcs_key,
        medium.public_url,
    )
    return kept > 0


async def doubt(tx: Tx, media_id: UUID) -> None:
    """From here on nobody may use the medium on the word of this row. Waits for those who are about to."""
    await tx.run("update media set doubted = true where media_id = $1", media_id)
