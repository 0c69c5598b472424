"""Keeping the projection of identity's stores, and what follows from it for products."""

from catalog.repo.stores import KEEP
from catalog.usecases.settlement import owe
from chassis.db import Tx
from contracts.identity import StoreChanged


async def keep_store(tx: Tx, store: StoreChanged, *, epoch: int | None = None) -> None:
    """Take over a store's state unless a newer one is known; its products appear or disappear with it.

    `epoch` is that of the event; None for identity's answer to a question.
    """
    kept = await tx.fetchval(
        KEEP,
        store.store_id,
        epoch,
        store.version,
        store.deleted,
        str(store.type),
        store.company_name,
        store.dba_name,
        str(store.kyc_status),
        store.subscription_override,
        store.address.state,
        store.address.lat,
        store.address.lng,
        store.delivery_radius_meters,
        store.logo_gcs_key,
        store.logo_url,
    )
    if kept is not None:
        owe(tx, stores=[store.store_id])
