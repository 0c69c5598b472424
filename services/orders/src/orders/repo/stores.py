"""What this service keeps of other services' stores: names for rows, the buyer's state, and standing."""

from chassis.db import Reader, Tx
from contracts.identity import StoreChanged
from kernel.scope import StoreScope

_KEEP = """
insert into stores (
    store_id, source_epoch, version, type, company_name, dba_name, phone, logo_url, address, state, kyc_status, deleted,
    updated_at
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
on conflict (store_id) do update set
    source_epoch = excluded.source_epoch, version = excluded.version, type = excluded.type,
    company_name = excluded.company_name, dba_name = excluded.dba_name, phone = excluded.phone,
    logo_url = excluded.logo_url, address = excluded.address, state = excluded.state,
    kyc_status = excluded.kyc_status, deleted = excluded.deleted, updated_at = excluded.updated_at
where (stores.source_epoch, stores.version) <= (excluded.source_epoch, excluded.version)
"""


async def keep(tx: Tx, store: StoreChanged, epoch: int) -> None:
    """Applies a snapshot unless a newer one is there; a deleted store stays as a tombstone."""
    await tx.run(
        _KEEP,
        store.store_id,
        epoch,
        store.version,
        store.type.value,
        store.company_name,
        store.dba_name,
        store.phone,
        store.logo_url,
        store.address.model_dump(mode="json"),
        store.address.state,
        store.kyc_status.value,
        store.deleted,
        store.updated_at,
    )


async def state_of(db: Reader, scope: StoreScope) -> str | None:
    """The state of the store that asks; None while this service has not heard of it."""
    state: str | None = await db.fetchval(
        "select state from stores where store_id = $1 and not deleted", scope.store_id
    )
    return state


async def newest_epoch(db: Reader) -> int:
    """The newest epoch of identity that this service has heard of; an answer of identity belongs to no older one."""
    epoch: int = await db.fetchval("select coalesce(max(source_epoch), 1) from stores")
    return epoch
