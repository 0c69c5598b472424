"""One function per event heard."""

from chassis.db import Tx
from contracts.identity import StoreChanged
from orders.usecases import views


async def keep_store_view(tx: Tx, event: StoreChanged) -> None:
    await views.keep_store(tx, event)
