"""The store's own profile (spec 2.3)."""

from collections.abc import Mapping
from typing import Any

from chassis.db import Tx
from identity.domain.stores import Store
from identity.repo import stores
from identity.usecases.pictures import held_pictures, hung
from identity.usecases.standing import hold
from kernel.refusal import Invalid
from kernel.scope import StoreScope, StoreType


async def update_profile(tx: Tx, scope: StoreScope, changes: Mapping[str, Any]) -> Store:
    """Set the given fields. Raises Invalid for a buyer's radius, and what `demand_usable` raises for a picture."""
    given = await held_pictures(tx, scope, changes)
    store = await hold(tx, scope.store_id)
    if store.type is StoreType.BUYER and "delivery_radius_meters" in changes:
        raise Invalid.field("delivery_radius_meters")
    if not changes:
        return store
    changed = await stores.change(tx, store.id, {**changes, **hung(tx, store, changes, given)})
    tx.emit(changed.as_event())
    return changed
