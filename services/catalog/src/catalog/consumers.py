"""Events heard: each is one sentence about what it does here."""

from catalog.domain.stock import ReservationReason
from catalog.usecases.media import keep_medium
from catalog.usecases.reservations import abort, confirm, release
from catalog.usecases.stores import keep_store
from chassis.db import Tx
from contracts.identity import StoreChanged
from contracts.media import MediaChanged
from contracts.orders import CheckoutAborted, OrderCanceled, OrderCreated, OrderDecided, OrderExpired


async def keep_store_view(tx: Tx, event: StoreChanged) -> None:
    """A store's standing shows or hides its products."""
    await keep_store(tx, event, epoch=tx.cause.epoch if tx.cause else None)


async def keep_media_view(tx: Tx, event: MediaChanged) -> None:
    """A deleted medium is shown by no product any more; without its last picture a product is out of sale."""
    await keep_medium(tx, event, epoch=tx.cause.epoch if tx.cause else None)


async def confirm_holds(tx: Tx, event: OrderCreated) -> None:
    """An order exists: what was held for its lines stays theirs until the order ends."""
    wanted = [item.line_id for item in event.items if item.status != "rejected"]
    if wanted:
        await confirm(tx, event.checkout_group_id, event.order_id, wanted)


async def release_rejected(tx: Tx, event: OrderDecided) -> None:
    """A vendor rejected lines: their stock can be sold again."""
    if event.rejected_line_ids:
        await release(tx, event.checkout_group_id, event.rejected_line_ids, ReservationReason.DECIDED)


async def release_canceled(tx: Tx, event: OrderCanceled) -> None:
    """An order was canceled: what it still had can be sold again, packed or not, for it has not left the vendor."""
    if event.released_line_ids:
        await release(tx, event.checkout_group_id, event.released_line_ids, ReservationReason.CANCELED)


async def release_expired(tx: Tx, event: OrderExpired) -> None:
    """Nobody decided the order in time: what it held can be sold again."""
    if event.released_line_ids:
        await release(tx, event.checkout_group_id, event.released_line_ids, ReservationReason.EXPIRED)


async def abort_checkout(tx: Tx, event: CheckoutAborted) -> None:
    """A checkout will never commit: what it holds is free, and a reserve that comes later is refused."""
    await abort(tx, event.checkout_id)
