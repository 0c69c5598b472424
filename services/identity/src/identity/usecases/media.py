"""Keeping the projection of media, and what follows when a picture is gone (spec 2.6)."""

from typing import Any

from chassis.db import Tx
from contracts.media import MediaChanged
from identity.domain.media import PICTURES
from identity.repo import media, stores
from identity.usecases.pictures import taken_down


async def keep_medium(tx: Tx, medium: MediaChanged, *, epoch: int | None = None) -> None:
    """Take over a medium's state unless a newer one is known; a store whose logo or banner is gone has none."""
    is_newest = await media.keep(tx, medium, epoch=epoch)
    if is_newest and (medium.deleted or medium.status == "deleted"):
        await _drop_pictures(tx, medium)


async def _drop_pictures(tx: Tx, medium: MediaChanged) -> None:
    store = await stores.locked(tx, medium.store_id)
    if store is None:
        return
    changes: dict[str, Any] = {}
    for name in PICTURES:
        if getattr(store, f"{name}_media_id") == medium.media_id:
            changes |= taken_down(tx, store, name)
    if changes:
        tx.emit((await stores.change(tx, store.id, changes)).as_event())
