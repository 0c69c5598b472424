"""A vendor's own product, locked."""

from uuid import UUID

from catalog.repo.products import LOCK
from chassis.db import Record, Tx
from kernel.refusal import NotFound
from kernel.scope import StoreScope


async def own_product(tx: Tx, scope: StoreScope, product_id: UUID) -> Record:
    """The live product as it is, until this transaction ends. Raises `NotFound` for what is not this store's."""
    row = await tx.fetchrow(LOCK, product_id, scope.store_id)
    if row is None:
        raise NotFound
    return row
