"""What orders tells the other services about a checkout and its orders (spec 14)."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from contracts.orders import (
    ChangedLine,
    CheckoutConverted,
    CreatedItem,
    NotificationRequested,
    OrderCanceled,
    OrderChanged,
    OrderCreated,
    OrderDecided,
    OrderExpired,
    OrderPendingNudge,
    OrderReadyForDispatch,
    OrderRetried,
)
from contracts.values import LineState, Place
from orders.domain.decision import Decision
from orders.domain.order import Line, VendorOrder
from orders.domain.passage import TTL
from orders.domain.states import LineStatus


def order_created(order: VendorOrder) -> OrderCreated:
    return OrderCreated(
        order_id=order.id,
        order_number=order.order_number,
        order_version=order.version,
        checkout_group_id=order.checkout_group_id,
        cart_id=order.cart_id,
        buyer_store_id=order.buyer_store_id,
        vendor_store_id=order.vendor_store_id,
        status=order.status.value,
        currency=order.currency.value,
        payment_method=order.payment_method.value,
        **asdict(order.amounts),
        total_cents=order.amounts.total_cents,
        shipping_address=_place(order.shipping_address),
        attributed_ad_click_id=order.attributed_ad_click_id,
        attributed_ad_id=order.attributed_ad_id,
        retried_from_order_id=order.retried_from_order_id,
        items=[_created_item(line) for line in order.lines],
    )


def order_changed(order: VendorOrder) -> OrderChanged:
    """The whole public state of the order at its version."""
    return OrderChanged(
        order_id=order.id,
        version=order.version,
        order_number=order.order_number,
        checkout_group_id=order.checkout_group_id,
        buyer_store_id=order.buyer_store_id,
        vendor_store_id=order.vendor_store_id,
        status=order.status.value,
        fulfillment_status=order.fulfillment_status.value,
        shipping_status=order.shipping_status.value,
        payment_method=order.payment_method.value,
        currency=order.currency.value,
        **asdict(order.amounts),
        total_cents=order.amounts.total_cents,
        balance_due_cents=order.balance_due_cents,
        total_items=order.total_items,
        shipping_address=order.shipping_address,
        attributed_ad_click_id=order.attributed_ad_click_id,
        attributed_ad_id=order.attributed_ad_id,
        retried_from_order_id=order.retried_from_order_id,
        lines=[_changed_line(line) for line in order.lines],
        **_timestamps(order),
    )


def order_decided(
    before: VendorOrder, order: VendorOrder, scope: Literal["order", "line"], decision: Decision
) -> OrderDecided:
    """Only the lines that this decision gives back are told as rejected, so that no unit returns twice."""
    newly_rejected = _rejected_ids(order.lines) - _rejected_ids(before.lines)
    return OrderDecided(
        order_id=order.id,
        order_version=order.version,
        checkout_group_id=order.checkout_group_id,
        buyer_store_id=order.buyer_store_id,
        vendor_store_id=order.vendor_store_id,
        scope=scope,
        decision=decision.value,
        status=order.status.value,
        lines=[
            LineState(line_id=line.id, product_id=line.product_id, qty=line.qty, status=line.status, notes=line.notes)
            for line in order.lines
        ],
        rejected_line_ids=sorted(newly_rejected),
        subtotal_cents=order.amounts.subtotal_cents,
        discounts_cents=order.amounts.discounts_cents,
        total_cents=order.amounts.total_cents,
        balance_due_cents=order.balance_due_cents,
    )


def order_ready_for_dispatch(order: VendorOrder) -> OrderReadyForDispatch:
    return OrderReadyForDispatch(
        **_names(order),
        checkout_group_id=order.checkout_group_id,
        fulfillment_status=order.fulfillment_status.value,
        shipping_status=order.shipping_status.value,
        rejected_item_count=len(_rejected_ids(order.lines)),
    )


def order_canceled(order: VendorOrder) -> OrderCanceled:
    return OrderCanceled(
        **_names(order),
        checkout_group_id=order.checkout_group_id,
        canceled_at=order.canceled_at,
        reason=order.cancel_reason,
        released_line_ids=_kept_ids(order),
    )


def order_pending_nudge(order: VendorOrder) -> OrderPendingNudge:
    """How many whole days the order has waited when the clock reminds of it."""
    waited = order.updated_at - order.created_at
    return OrderPendingNudge(**_names(order), checkout_group_id=order.checkout_group_id, pending_days=waited.days)


def order_expired(order: VendorOrder) -> OrderExpired:
    return OrderExpired(
        **_names(order),
        checkout_group_id=order.checkout_group_id,
        expired_at=order.expired_at,
        ttl_days=TTL.days,
        released_line_ids=_kept_ids(order),
    )


def order_retried(order: VendorOrder) -> OrderRetried:
    return OrderRetried(
        **_names(order),
        checkout_group_id=order.checkout_group_id,
        original_order_id=order.retried_from_order_id,
    )


def notification_requested(order: VendorOrder, user_id: UUID) -> NotificationRequested:
    return NotificationRequested(**_names(order), type="order_nudge", requested_by_user_id=user_id)


def checkout_converted(orders: Sequence[VendorOrder], request: dict[str, Any], at: datetime) -> CheckoutConverted:
    """The checkout as one fact; its amounts are the sums over its orders (there is at least one)."""
    first = orders[0]
    return CheckoutConverted(
        checkout_group_id=first.checkout_group_id,
        cart_id=first.cart_id,
        buyer_store_id=first.buyer_store_id,
        vendor_order_ids=[order.id for order in orders],
        vendor_store_ids=[order.vendor_store_id for order in orders],
        converted_at=at,
        currency=first.currency.value,
        payment_method=first.payment_method.value,
        shipping_address=_place(first.shipping_address),
        shipping_line=request["shipping_line"],
        subtotal_cents=sum(order.amounts.subtotal_cents for order in orders),
        discounts_cents=sum(order.amounts.discounts_cents for order in orders),
        total_cents=sum(order.amounts.total_cents for order in orders),
    )


def _names(order: VendorOrder) -> dict[str, Any]:
    """What every fact about an order calls it by."""
    return {
        "order_id": order.id,
        "order_number": order.order_number,
        "buyer_store_id": order.buyer_store_id,
        "vendor_store_id": order.vendor_store_id,
    }


def _kept_ids(order: VendorOrder) -> list[UUID]:
    return [line.id for line in order.kept_lines]


def _rejected_ids(lines: Sequence[Line]) -> set[UUID]:
    return {line.id for line in lines if line.status is LineStatus.REJECTED}


def _created_item(line: Line) -> CreatedItem:
    return CreatedItem(
        line_id=line.id,
        product_id=line.product_id,
        title=line.name,
        category=line.category,
        classification=line.classification,
        unit=line.unit,
        qty=line.qty,
        moq=line.moq,
        max_qty=line.max_qty,
        unit_price_cents=line.unit_price_cents,
        line_subtotal_cents=line.line_subtotal_cents,
        discount_cents=line.discount_cents,
        line_total_cents=line.total_cents,
        status=line.status.value,
        warnings=line.warnings,
    )


def _changed_line(line: Line) -> ChangedLine:
    return ChangedLine(
        line_id=line.id,
        product_id=line.product_id,
        name=line.name,
        category=line.category,
        classification=line.classification,
        unit=line.unit,
        qty=line.qty,
        unit_price_cents=line.unit_price_cents,
        discount_cents=line.discount_cents,
        total_cents=line.total_cents,
        status=line.status.value,
    )


def _timestamps(order: VendorOrder) -> dict[str, Any]:
    return {
        "nudge_due_at": order.nudge_due_at,
        "nudged_at": order.nudged_at,
        "expires_at": order.expires_at,
        "buyer_nudged_at": order.buyer_nudged_at,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "fulfilled_at": order.fulfilled_at,
        "in_transit_at": order.in_transit_at,
        "delivered_at": order.delivered_at,
        "canceled_at": order.canceled_at,
        "cancel_reason": order.cancel_reason,
        "expired_at": order.expired_at,
        "closed_at": order.closed_at,
    }


def _place(address: dict[str, Any] | None) -> Place:
    found = address or {}
    return Place(postal_code=found.get("postal_code", ""), lat=found.get("lat"), lng=found.get("lng"))
