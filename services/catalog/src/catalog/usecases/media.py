"""Keeping the projection of media's media, and what follows from it for products (spec 12.4)."""

from catalog.repo.media import KEEP
from catalog.usecases.settlement import owe
from chassis.db import Tx
from contracts.media import MediaChanged


async def keep_medium(tx: Tx, medium: MediaChanged, *, epoch: int | None = None) -> None:
    """Take over a medium's state unless a newer one is known; a picture or certificate that is deleted goes with it.

    `epoch` is that of the event; None for media's answer to a question.
    """
    kept = await tx.fetchval(
        KEEP,
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
    if kept is not None:
        owe(tx, media=[medium.media_id])
