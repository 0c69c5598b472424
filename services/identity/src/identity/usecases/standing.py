"""An admin's audited exceptions, and their end (spec 2.4)."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from chassis.db import Tx
from identity.domain.sessions import Change
from identity.domain.standing import override_is_over
from identity.domain.stores import Store
from identity.repo import sessions, stores
from kernel.clock import business_day
from kernel.refusal import Conflict, Invalid, NotFound
from kernel.scope import Kyc


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What an admin grants; both empty is a withdrawal. `until` is the last day it is good."""

    kyc_override: Kyc | None = None
    subscription_override: Literal["active"] | None = None
    until: date | None = None
    reason: str


async def override_standing(tx: Tx, change: Change, store_id: UUID, override: Override) -> Store:
    """Replace the store's override.

    Raises Invalid for a last day that has passed, NotFound, and Conflict "store_suspended" while it is suspended.
    """
    if override_is_over(override.until, business_day(tx.now)):
        raise Invalid.field("until")
    store = await hold_unsuspended(tx, store_id)
    changed = await _apply(tx, change, store, override)
    tx.audit("store.standing_override", "store", store_id, {"before": _facts(store), "after": asdict(override)})
    return changed


async def hold(tx: Tx, store_id: UUID) -> Store:
    """The store under its lock. Raises NotFound."""
    store = await stores.locked(tx, store_id)
    if store is None:
        raise NotFound
    return store


async def hold_unsuspended(tx: Tx, store_id: UUID) -> Store:
    """As `hold`; raises Conflict "store_suspended" too."""
    store = await hold(tx, store_id)
    if store.kyc_status is Kyc.SUSPENDED:
        raise Conflict("store_suspended", "the store is suspended")
    return store


async def tell(tx: Tx, change: Change, before: Store, after: Store) -> None:
    """Say what the store is now; where it stands anew, its sessions do too."""
    if after.standing is not before.standing:
        await sessions.note_change(tx, change, await sessions.raise_version_of_store(tx, after.id))
    tx.emit(after.as_event())


async def end_override(tx: Tx, change: Change, store_id: UUID, today: date) -> None:
    """Take back an override whose last day has passed; one that was renewed or withdrawn meanwhile is left alone."""
    store = await stores.locked(tx, store_id)
    if store is None or not override_is_over(store.override_until, today):
        return
    await _apply(tx, change, store, Override(reason="expired"))
    tx.audit("store.standing_expired", "store", store_id, {"before": _facts(store)})


async def _apply(tx: Tx, change: Change, store: Store, override: Override) -> Store:
    changed = await stores.set_standing(
        tx,
        store.id,
        kyc=override.kyc_override,
        subscription=override.subscription_override,
        until=override.until,
        reason=override.reason,
    )
    await tell(tx, change, store, changed)
    return changed


def _facts(store: Store) -> dict[str, Any]:
    return {
        "kyc_override": store.kyc_override,
        "subscription_override": store.subscription_override,
        "until": store.override_until,
        "reason": store.override_reason,
    }
