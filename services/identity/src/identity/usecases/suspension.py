"""Suspending stores and taking them back (spec 2.4)."""

from uuid import UUID

from chassis.db import Tx
from identity.domain.sessions import Change
from identity.domain.standing import recomputed_kyc
from identity.domain.stores import Store
from identity.repo import sessions, stores
from kernel.refusal import Conflict, NotFound
from kernel.scope import Kyc


async def suspend(tx: Tx, change: Change, store_id: UUID, reason: str) -> Store:
    """Whatever its licences and overrides say. Raises NotFound, and Conflict for a store that is suspended."""
    store = await _locked(tx, store_id)
    if store.kyc_status is Kyc.SUSPENDED:
        raise Conflict("store_suspended", "the store is suspended")
    return await _settle(tx, change, store, Kyc.SUSPENDED, "store.suspend", reason)


async def reinstate(tx: Tx, change: Change, store_id: UUID, reason: str) -> Store:
    """From now on its licences decide again, of which a store has none yet (P3), and the override that it may have.

    Raises NotFound, and Conflict for a store that is not suspended.
    """
    store = await _locked(tx, store_id)
    if store.kyc_status is not Kyc.SUSPENDED:
        raise Conflict("not_suspended", "the store is not suspended")
    return await _settle(tx, change, store, recomputed_kyc(()), "store.reinstate", reason)


async def _locked(tx: Tx, store_id: UUID) -> Store:
    store = await stores.locked(tx, store_id)
    if store is None:
        raise NotFound
    return store


async def _settle(tx: Tx, change: Change, store: Store, kyc: Kyc, action: str, reason: str) -> Store:
    suspended_reason = reason if kyc is Kyc.SUSPENDED else None
    changed = await stores.change(tx, store.id, {"kyc_status": kyc, "suspended_reason": suspended_reason})
    await sessions.note_change(tx, change, await sessions.raise_version_of_store(tx, store.id))
    tx.emit(changed.as_event())
    tx.audit(action, "store", store.id, {"before": store.standing, "after": changed.standing, "reason": reason})
    return changed
