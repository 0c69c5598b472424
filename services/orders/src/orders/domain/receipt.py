"""The answer of a checkout: the same words for the client who waited and for one who asks again (spec 5.3)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.values import Address, ShippingLine, Warned
from orders.domain.checkout import VendorPart
from orders.domain.order import Line, VendorOrder
from orders.domain.states import LineStatus, OrderStatus, PaymentMethod


class Receipt(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckoutItem(Receipt):
    line_item_id: UUID
    product_id: UUID
    product_name: str
    thumbnail: str | None
    qty: int
    unit: str
    unit_price_cents: int
    discount_cents: int
    total_cents: int
    status: LineStatus
    notes: str | None


class CheckoutOrder(Receipt):
    order_id: UUID
    order_number: int
    vendor_store_id: UUID
    status: OrderStatus
    subtotal_cents: int
    discount_cents: int
    tax_cents: int
    transport_fee_cents: int
    shipping_cents: int
    tip_cents: int
    total_cents: int
    balance_due_cents: int
    items: list[CheckoutItem]


class RejectedVendor(Receipt):
    """A vendor of the cart without an ok item: it gets no order, and its `line_items` are in no order."""

    vendor_store_id: UUID
    line_items: list[CheckoutItem]
    warnings: list[Warned]


class Checkout(Receipt):
    checkout_group_id: UUID
    shipping_address: Address
    billing_address: Address | None
    payment_method: PaymentMethod
    shipping_line: ShippingLine | None
    tip_cents: int
    vendor_orders: list[CheckoutOrder]
    rejected_vendors: list[RejectedVendor]


class RetryReceipt(Receipt):
    """The order that stands in for an expired one."""

    order_id: UUID
    checkout_group_id: UUID


def retry_receipt(checkout: Checkout) -> RetryReceipt:
    """The answer of a retry: a checkout of one order."""
    [order] = checkout.vendor_orders
    return RetryReceipt(order_id=order.order_id, checkout_group_id=checkout.checkout_group_id)


def receipt(
    group_id: UUID, request: dict[str, Any], orders: Sequence[VendorOrder], rejected: Sequence[VendorPart]
) -> Checkout:
    """The answer; `request` is the validated body that the attempt kept."""
    return Checkout(
        checkout_group_id=group_id,
        shipping_address=request["shipping_address"],
        billing_address=request["billing_address"],
        payment_method=request["payment_method"],
        shipping_line=request["shipping_line"],
        tip_cents=request["tip_cents"],
        vendor_orders=[_order(order) for order in orders],
        rejected_vendors=[
            RejectedVendor(
                vendor_store_id=part.vendor_store_id,
                line_items=[_item(line) for line in part.lines],
                warnings=list(part.warnings),
            )
            for part in rejected
        ],
    )


def _order(order: VendorOrder) -> CheckoutOrder:
    amounts = order.amounts
    return CheckoutOrder(
        order_id=order.id,
        order_number=order.order_number,
        vendor_store_id=order.vendor_store_id,
        status=order.status,
        subtotal_cents=amounts.subtotal_cents,
        discount_cents=amounts.discounts_cents,
        tax_cents=amounts.tax_cents,
        transport_fee_cents=amounts.transport_fee_cents,
        shipping_cents=amounts.shipping_cents,
        tip_cents=amounts.tip_cents,
        total_cents=amounts.total_cents,
        balance_due_cents=order.balance_due_cents,
        items=[_item(line) for line in order.lines],
    )


def _item(line: Line) -> CheckoutItem:
    return CheckoutItem(
        line_item_id=line.id,
        product_id=line.product_id,
        product_name=line.name,
        thumbnail=line.thumbnail,
        qty=line.qty,
        unit=line.unit,
        unit_price_cents=line.unit_price_cents,
        discount_cents=line.discount_cents,
        total_cents=line.total_cents,
        status=line.status,
        notes=line.notes,
    )
