"""Retrying an expired order: the attempt is keyed by the order instead of a cart (spec 12.11)."""

from typing import Any
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from contracts.catalog import QuoteAnswer
from kernel.scope import StoreScope
from orders.domain.attempt import Attempt, attempt_in_progress, nothing_reservable
from orders.domain.checkout import VendorPart, past_limit
from orders.domain.facts import order_retried
from orders.domain.history import Entry
from orders.domain.order import VendorOrder
from orders.domain.retry import amount_too_large, part_again, request_again, retried_already
from orders.domain.states import ORDER_MACHINE, AttemptState, Deed
from orders.repo import attempts, history, orders, stores
from orders.usecases.attempts import UnknownBuyerError
from orders.usecases.moving import held_by_buyer


async def begin(tx: Tx, scope: StoreScope, order_id: UUID, claim: dict[str, Any]) -> tuple[VendorOrder, Attempt | None]:
    """The expired order, locked, and this client's own lapsed attempt to retry it, claimed anew, if it left one.

    `claim` is the scope of the client's idempotency record. Raises `NotFound` and `Forbidden` as every move does,
    `StateConflict` (transition) unless the order is expired, `Conflict` when it was retried or is being retried.
    """
    order = await held_by_buyer(tx, scope, order_id)
    ORDER_MACHINE.after(order.status, "retry")
    found = await attempts.retrying(tx, order_id)
    if found is None:
        return order, None
    if found.state == AttemptState.COMMITTED:
        raise retried_already()
    attempt = await attempts.take_claim(tx, found.id, new_id()) if found.scope == claim else None
    if attempt is None:
        raise attempt_in_progress()
    return order, attempt


async def open_attempt(tx: Tx, scope: StoreScope, order_id: UUID, quote: QuoteAnswer, claim: dict[str, Any]) -> Attempt:
    """A new attempt at the quoted prices, claimed for 20 s; raises as `begin` and `part_again` do.

    Also raises `Conflict` (nothing_reservable) when nothing of the order can be had, `StateConflict` (amount_too_large)
    when it would charge more than a checkout may by now, and `UnknownBuyerError`.
    """
    order, attempt = await begin(tx, scope, order_id, claim)
    if attempt is not None:
        return attempt
    part = part_again(order, quote, {line.product_id: new_id() for line in order.kept_lines})
    if not part.pending:
        raise nothing_reservable([part])
    if past_limit([part], tip_cents=order.amounts.tip_cents, shipping_cents=order.amounts.shipping_cents):
        raise amount_too_large()
    attempt = await _planned(tx, scope, order, part, claim)
    if not await attempts.insert(tx, attempt):
        raise attempt_in_progress()
    return attempt


async def tell_retried(tx: Tx, original_id: UUID, order: VendorOrder) -> None:
    """The new order stands in for the old one, which stays expired and keeps that in its history."""
    event_id = new_id()
    former = await orders.lock(tx, original_id, None)
    assert former is not None  # noqa: S101  orders are never deleted
    entry = Entry(
        event_id=event_id,
        at=max(tx.now, former.updated_at),
        what=Deed.RETRIED,
        before=former.status,
        after=former.status,
    )
    await history.write(tx, [(former, entry)])
    tx.emit(order_retried(order), event_id=event_id)
    tx.audit("order.retry", "vendor_order", original_id, {"order_id": str(order.id)})


async def _planned(tx: Tx, scope: StoreScope, order: VendorOrder, part: VendorPart, claim: dict[str, Any]) -> Attempt:
    buyer_state = await stores.state_of(tx, scope)
    if buyer_state is None:
        raise UnknownBuyerError
    billing_address = await orders.billing_address(tx, scope, order.checkout_group_id)
    return Attempt(
        id=new_id(),
        buyer_store_id=scope.store_id,
        buyer_state=buyer_state,
        cart_id=None,
        retry_of_order_id=order.id,
        request=request_again(order, billing_address),
        actor=tx.actor,
        scope=claim,
        parts=(part,),
        claim_token=new_id(),
    )
