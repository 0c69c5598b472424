"""The commit of a checkout: one transaction that makes the orders (spec 12.6, step 5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from contracts.catalog import ReserveAnswer
from orders.domain.attempt import Attempt
from orders.domain.checkout import SettledPart, Settlement, settle, shipping_cents_of
from orders.domain.facts import checkout_converted, order_changed, order_created
from orders.domain.order import VendorOrder
from orders.domain.passage import NUDGE_AFTER, TTL
from orders.domain.receipt import Checkout, receipt
from orders.domain.states import PaymentMethod
from orders.repo import orders
from orders.usecases.retries import tell_retried


async def commit_checkout(tx: Tx, attempt: Attempt, decided: ReserveAnswer) -> Checkout | None:
    """One order per vendor with an ok item, the cart converted or the old order retried, every fact told.

    None when the attempt had ended already; then nothing was written.
    """
    settlement = _settled(attempt, decided)
    drafts = [_draft(attempt, part, tx.now) for part in settlement.parts]
    event_ids = {draft.id: new_id() for draft in drafts}
    placed = await orders.commit_checkout(tx, attempt, drafts, event_ids)
    if not placed:
        return None
    _tell(tx, attempt, placed, event_ids)
    if attempt.retry_of_order_id is not None:
        await tell_retried(tx, attempt.retry_of_order_id, placed[0])
    return receipt(attempt.id, attempt.request, placed, settlement.rejected)


def _settled(attempt: Attempt, decided: ReserveAnswer) -> Settlement:
    return settle(
        attempt.parts,
        {line.line_id: str(line.reason) for line in decided.lines if not line.reserved},
        tip_cents=attempt.request["tip_cents"],
        shipping_cents=shipping_cents_of(attempt.request),
    )


def _draft(attempt: Attempt, part: SettledPart, now: datetime) -> VendorOrder:
    shipping: dict[str, Any] | None = attempt.request["shipping_line"]
    return VendorOrder(
        id=new_id(),
        cart_id=attempt.cart_id,
        checkout_group_id=attempt.id,
        buyer_store_id=attempt.buyer_store_id,
        vendor_store_id=part.vendor_store_id,
        status=part.status,
        payment_method=PaymentMethod(attempt.request["payment_method"]),
        amounts=part.amounts,
        balance_due_cents=part.amounts.total_cents,
        shipping_address=attempt.request["shipping_address"],
        shipping_line=shipping and {**shipping, "price_cents": part.amounts.shipping_cents},
        warnings=part.warnings,
        retried_from_order_id=attempt.retry_of_order_id,
        nudge_due_at=now + NUDGE_AFTER,
        expires_at=now + TTL,
        created_at=now,
        updated_at=now,
        lines=part.lines,
    )


def _tell(tx: Tx, attempt: Attempt, placed: Sequence[VendorOrder], event_ids: Mapping[UUID, UUID]) -> None:
    for order in placed:
        tx.emit(order_created(order), event_id=event_ids[order.id])
        tx.emit(order_changed(order))
    tx.emit(checkout_converted(placed, attempt.request, tx.now))
    tx.audit(
        "checkout.committed",
        "checkout",
        attempt.id,
        {"orders": [str(order.id) for order in placed], "total_cents": sum(o.amounts.total_cents for o in placed)},
    )
