"""Packing, canceling and nudging by the sides of an order, and what the clock does (spec 12.8 to 12.10)."""

from uuid import UUID

from chassis.db import Tx
from kernel.refusal import Unavailable
from kernel.scope import StoreScope
from orders.domain import passage
from orders.domain.facts import (
    notification_requested,
    order_canceled,
    order_expired,
    order_pending_nudge,
    order_ready_for_dispatch,
)
from orders.domain.order import VendorOrder
from orders.domain.states import Deed, OrderStatus, is_repeat
from orders.usecases.moving import Move, held_by_buyer, held_by_house, held_by_vendor, make, moment


async def fulfill(tx: Tx, scope: StoreScope, order_id: UUID) -> None:
    """The vendor has packed what it accepted: fulfilled, then hold, in one transaction. Packed already: no change."""
    before = await held_by_vendor(tx, scope, order_id)
    if is_repeat(before.status, "fulfill"):
        return
    after = passage.packed(before, moment(tx, before))
    move = Move(
        before=before,
        after=after,
        action="fulfill",
        fact=order_ready_for_dispatch(after),
        passes=((Deed.FULFILLED, OrderStatus.FULFILLED), (Deed.READY_FOR_PICKUP, after.status)),
    )
    await make(tx, move)


async def cancel(tx: Tx, scope: StoreScope, order_id: UUID, reason: str | None) -> None:
    """The buyer gives the order up while it is with the vendor. Canceled already: no change."""
    await _cancel(tx, await held_by_buyer(tx, scope, order_id), "cancel", reason)


async def cancel_by_admin(tx: Tx, order_id: UUID, reason: str) -> None:
    """The house ends an order that cannot go on. Canceled already: no change.

    From in_transit finance has to reject the payment first, which it alone can: `Unavailable` until it has.
    """
    before = await held_by_house(tx, order_id)
    if before.status is OrderStatus.IN_TRANSIT:
        raise Unavailable("finance")
    await _cancel(tx, before, "cancel_by_admin", reason)


async def nudge(tx: Tx, scope: StoreScope, order_id: UUID, user_id: UUID) -> None:
    """The buyer asks for a decision. Raises `RateLimited` within 24 hours of the last time, by whoever."""
    before = await held_by_buyer(tx, scope, order_id)
    after = passage.nudged(before, moment(tx, before))
    move = Move(
        before=before,
        after=after,
        action="nudge",
        fact=notification_requested(after, user_id),
        passes=((Deed.NUDGED, after.status),),
    )
    await make(tx, move)


async def remind_or_expire(tx: Tx, order_id: UUID) -> None:
    """What the clock owes an undecided order, if it still owes it: first the reminder, and after its grace the end.

    An order whose reminder comes late is not ended with it: it has five days from then.
    """
    before = await held_by_house(tx, order_id)
    if before.status is not OrderStatus.CREATED_PENDING:
        return
    if before.nudged_at is None and before.nudge_due_at <= tx.now:
        await make(tx, _reminder(before, passage.reminded(before, moment(tx, before))))
    elif before.nudged_at is not None and before.expires_at <= tx.now:
        await make(tx, _end(before, passage.expired(before, moment(tx, before))))


async def _cancel(tx: Tx, before: VendorOrder, action: str, reason: str | None) -> None:
    if is_repeat(before.status, action):
        return
    after = passage.canceled(before, action, reason, moment(tx, before))
    move = Move(
        before=before,
        after=after,
        action=action,
        fact=order_canceled(after),
        passes=((Deed.CANCELED, after.status),),
        reason=reason,
    )
    await make(tx, move)


def _reminder(before: VendorOrder, after: VendorOrder) -> Move:
    return Move(
        before=before,
        after=after,
        action="remind",
        fact=order_pending_nudge(after),
        passes=((Deed.REMINDED, after.status),),
        once=f"order_pending_nudge:{after.id}",
    )


def _end(before: VendorOrder, after: VendorOrder) -> Move:
    return Move(
        before=before,
        after=after,
        action="expire",
        fact=order_expired(after),
        passes=((Deed.EXPIRED, after.status),),
    )
