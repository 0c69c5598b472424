"""A licence comes, is judged, ends and goes; each time the store's standing is computed anew (spec 2.4).

Locks are taken in the order medium, store, licence, sessions. What the licences of a store are is decided under the
store's lock, so of two changes at once the later one counts both.
"""

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from chassis.db import Tx
from contracts.identity import LicenseExpired, LicenseExpiringSoon, LicenseStatus, LicenseStatusChanged
from identity.domain.licences import Licence, NewLicence
from identity.domain.media import LICENCE_SCAN, demand_usable
from identity.domain.sessions import Change
from identity.domain.standing import recomputed_kyc
from identity.domain.stores import Store
from identity.repo import licences, media, stores
from identity.usecases.attachments import Hold, attach, detach
from identity.usecases.standing import hold, tell
from kernel.clock import business_day
from kernel.refusal import Conflict, NotFound, StateConflict
from kernel.scope import Kyc, StoreScope


async def submit(tx: Tx, change: Change, scope: StoreScope, user_id: UUID, new: NewLicence) -> Licence:
    """A licence that waits for its review, and holds its scan.

    Raises what `demand_usable` raises for the scan, and Conflict.duplicate("number").
    """
    scan = demand_usable(await media.held(tx, scope, new.media_id), LICENCE_SCAN, "media_id")
    store = await hold(tx, scope.store_id)
    licence = await licences.add(tx, scope, user_id, new, scan)
    attach(tx, _hold(licence), scan.gcs_key)
    await _follow(tx, change, store, licence, "license.upload")
    return licence


async def review(
    tx: Tx,
    change: Change,
    licence_id: UUID,
    reviewer: UUID,
    *,
    decision: Literal["verified", "rejected"],
    reason: str | None,
) -> Licence:
    """One decision, once. A store that is suspended or deleted does not stand in its way.

    Raises NotFound, Conflict "not_pending" when it was decided before, and StateConflict "licence_expired" when it
    shall be verified after its last day.
    """
    store, licence = await _held(tx, licence_id)
    if licence.status != "pending":
        raise Conflict("not_pending", "the licence was decided before", details={"status": licence.status})
    if decision == "verified" and licence.is_past(business_day(tx.now)):
        last_day = {"expiration_date": str(licence.expiration_date)}
        raise StateConflict("licence_expired", "the licence is past its last day", details=last_day)
    rejected_for = reason if decision == "rejected" else None
    reviewed = await licences.review(tx, licence.id, decision, rejected_for, reviewer)
    action = "license.verify" if decision == "verified" else "license.reject"
    await _follow(tx, change, store, reviewed, action, before=licence.status, reason=reason)
    return reviewed


async def withdraw(tx: Tx, change: Change, scope: StoreScope, licence_id: UUID) -> None:
    """Raises NotFound, and Conflict "licence_in_force" for one that waits or is verified."""
    store = await hold(tx, scope.store_id)
    licence = await licences.own_locked(tx, scope, licence_id)
    if licence is None:
        raise NotFound
    if not licence.may_go:
        raise Conflict(
            "licence_in_force", "only a rejected or expired licence goes", details={"status": licence.status}
        )
    await _remove(tx, change, store, licence)


async def warn(tx: Tx, licence_id: UUID, today: date) -> None:
    """Tell the store once that the last day is near, however many days were missed; else nothing."""
    licence = await licences.locked(tx, licence_id)
    days = licence.days_to_warn_of(today) if licence else None
    if licence is None or licence.expiration_date is None or days is None:
        return
    await licences.warn(tx, licence.id)
    tx.emit(
        LicenseExpiringSoon(
            license_id=licence.id,
            store_id=licence.store_id,
            expiration_date=licence.expiration_date,
            days_until_expiration=days,
        )
    )


async def expire(tx: Tx, change: Change, licence_id: UUID, today: date) -> None:
    """End a verified licence whose last day has passed; one that has changed meanwhile is left alone."""
    store, licence = await _held(tx, licence_id)
    if not licence.expires_now(today):
        return
    expired = await licences.expire(tx, licence.id)
    await _follow(tx, change, store, expired, "license.expire", before=licence.status)
    tx.emit(LicenseExpired(license_id=licence.id, store_id=licence.store_id, expired_at=tx.now))


async def purge(tx: Tx, change: Change, licence_id: UUID, now: datetime) -> None:
    """Forget a licence that expired long ago, with its scan; one that has changed meanwhile is left alone."""
    store, licence = await _held(tx, licence_id)
    if licence.is_outlived(now):
        await _remove(tx, change, store, licence)


async def recompute_kyc(tx: Tx, change: Change, store: Store) -> Store:
    """What the licences of a locked store say of it now; a suspended store stays suspended."""
    kyc = recomputed_kyc(await licences.statuses(tx, store.id))
    if store.kyc_status in {Kyc.SUSPENDED, kyc}:
        return store
    changed = await stores.change(tx, store.id, {"kyc_status": kyc})
    await tell(tx, change, store, changed)
    return changed


async def _held(tx: Tx, licence_id: UUID) -> tuple[Store, Licence]:
    """The store, deleted or not, and the licence, under their locks. Raises NotFound."""
    store_id = await licences.store_of(tx, licence_id)
    store = await stores.locked_even_deleted(tx, store_id) if store_id else None
    licence = await licences.locked(tx, licence_id)
    if store is None or licence is None:
        raise NotFound
    return store, licence


async def _follow(
    tx: Tx,
    change: Change,
    store: Store,
    licence: Licence,
    action: str,
    *,
    before: LicenseStatus | None = None,
    reason: str | None = None,
) -> None:
    """What every new status of a licence has in its train."""
    after = await recompute_kyc(tx, change, store)
    tx.emit(
        LicenseStatusChanged(
            license_id=licence.id,
            store_id=store.id,
            status=licence.status,
            previous_status=before,
            reason=licence.reject_reason,
            kyc_status=after.standing,
        )
    )
    kyc = {"before": store.standing, "after": after.standing}
    tx.audit(action, "license", licence.id, {"store_id": store.id, "before": before, "reason": reason, "kyc": kyc})


async def _remove(tx: Tx, change: Change, store: Store, licence: Licence) -> None:
    await licences.remove(tx, licence.id)
    after = await recompute_kyc(tx, change, store)
    detach(tx, _hold(licence), purge=True)
    kyc = {"before": store.standing, "after": after.standing}
    tx.audit("license.purge", "license", licence.id, {"store_id": store.id, "before": licence.status, "kyc": kyc})


def _hold(licence: Licence) -> Hold:
    return Hold(
        attachment_id=licence.attachment_id,
        media_id=licence.media_id,
        entity_type="license",
        entity_id=licence.id,
        store_id=licence.store_id,
    )
