"""The store's own profile (spec 2.3)."""

from collections.abc import Mapping
from typing import Any

from chassis.db import Tx
from identity.domain.stores import Store
from identity.repo import stores
from kernel.refusal import Invalid, NotFound
from kernel.scope import StoreScope, StoreType

MEDIA_FIELDS = ("logo_media_id", "banner_media_id")


async def update_profile(tx: Tx, scope: StoreScope, changes: Mapping[str, Any]) -> Store:
    """Set the given fields. Raises Invalid for a buyer's radius, and NotFound for a picture: there is no media yet."""
    if any(changes.get(name) for name in MEDIA_FIELDS):
        raise NotFound(message="media not found")
    store = await stores.locked(tx, scope.store_id)
    if store is None:
        raise NotFound
    if store.type is StoreType.BUYER and "delivery_radius_meters" in changes:
        raise Invalid.field("delivery_radius_meters")
    if not changes:
        return store
    changed = await stores.change(tx, store.id, changes)
    tx.emit(changed.as_event())
    return changed
