"""Suspending stores and taking them back (spec 2.4)."""

from uuid import UUID

from chassis.db import Tx
from identity.domain.sessions import Change
from identity.domain.standing import recomputed_kyc
from identity.domain.stores import Store
from identity.repo import licences, stores
from identity.usecases.standing import hold, hold_unsuspended, tell
from kernel.refusal import Conflict
from kernel.scope import Kyc


async def suspend(tx: Tx, change: Change, store_id: UUID, reason: str) -> Store:
    """Whatever its licences and overrides say. Raises NotFound, and Conflict for a store that is suspended."""
    store = await hold_unsuspended(tx, store_id)
    return await _settle(tx, change, store, Kyc.SUSPENDED, "store.suspend", reason)


async def reinstate(tx: Tx, change: Change, store_id: UUID, reason: str) -> Store:
    """From now on its licences decide again, and the override that it may have.

    Raises NotFound, and Conflict for a store that is not suspended.
    """
    store = await hold(tx, store_id)
    if store.kyc_status is not Kyc.SUSPENDED:
        raise Conflict("not_suspended", "the store is not suspended")
    kyc = recomputed_kyc(await licences.statuses(tx, store.id))
    return await _settle(tx, change, store, kyc, "store.reinstate", reason)


async def _settle(tx: Tx, change: Change, store: Store, kyc: Kyc, action: str, reason: str) -> Store:
    suspended_reason = reason if kyc is Kyc.SUSPENDED else None
    changed = await stores.change(tx, store.id, {"kyc_status": kyc, "suspended_reason": suspended_reason})
    await tell(tx, change, store, changed)
    tx.audit(action, "store", store.id, {"before": store.standing, "after": changed.standing, "reason": reason})
    return changed
