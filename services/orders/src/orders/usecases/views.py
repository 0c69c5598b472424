"""Keeping this service's view of what others own (spec 1.9)."""

from chassis.db import Tx
from contracts.identity import StoreChanged
from orders.repo import stores


async def keep_store(tx: Tx, store: StoreChanged) -> None:
    """Applies a heard snapshot of a store, or identity's answer to a question, unless a newer one is known."""
    epoch = tx.cause.epoch if tx.cause else await stores.newest_epoch(tx)
    await stores.keep(tx, store, epoch)
