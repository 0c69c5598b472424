"""A vendor order, its lines and its money (spec 13): every amount of an order follows from its lines and two shares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.values import VolumeDiscount, Warned
from orders.domain.states import (
    Currency,
    FulfillmentStatus,
    LineStatus,
    OrderStatus,
    PaymentMethod,
    RefundStatus,
    ShippingStatus,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One product in an order. A rejected line keeps price and quantity and charges nothing."""

    id: UUID
    product_id: UUID
    cart_item_id: UUID | None = None
    name: str
    category: str
    strain: str | None = None
    classification: str | None = None
    unit: str
    thumbnail: str | None = None
    unit_price_cents: int
    qty: int
    moq: int
    max_qty: int | None = None
    line_subtotal_cents: int
    discount_cents: int
    total_cents: int
    applied_volume_discount: VolumeDiscount | None = None
    warnings: tuple[Warned, ...] = ()
    status: LineStatus = LineStatus.PENDING
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class Amounts:
    """What an order charges; `total_cents` is the sum of its parts by construction."""

    subtotal_cents: int = 0
    discounts_cents: int = 0
    tax_cents: int = 0
    transport_fee_cents: int = 0
    shipping_cents: int = 0
    tip_cents: int = 0

    @property
    def total_cents(self) -> int:
        charges = self.tax_cents + self.transport_fee_cents + self.shipping_cents + self.tip_cents
        return self.subtotal_cents - self.discounts_cents + charges


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorOrder:
    """The part of a checkout that belongs to one vendor. `order_number` is 0 until the database has numbered it."""

    id: UUID
    order_number: int = 0
    version: int = 1
    cart_id: UUID | None
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    currency: Currency = Currency.USD
    status: OrderStatus
    refund_status: RefundStatus = RefundStatus.NONE
    fulfillment_status: FulfillmentStatus = FulfillmentStatus.PENDING
    shipping_status: ShippingStatus = ShippingStatus.PENDING
    payment_method: PaymentMethod
    amounts: Amounts
    balance_due_cents: int
    shipping_address: dict[str, Any] | None
    shipping_line: dict[str, Any] | None
    warnings: tuple[Warned, ...] = ()
    attributed_ad_click_id: UUID | None = None
    attributed_ad_id: UUID | None = None
    retried_from_order_id: UUID | None = None
    notes: str | None = None
    nudge_due_at: datetime
    nudged_at: datetime | None = None
    expires_at: datetime
    buyer_nudged_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    fulfilled_at: datetime | None = None
    in_transit_at: datetime | None = None
    delivered_at: datetime | None = None
    canceled_at: datetime | None = None
    cancel_reason: str | None = None
    expired_at: datetime | None = None
    closed_at: datetime | None = None
    lines: tuple[Line, ...]

    @property
    def total_items(self) -> int:
        return len(self.kept_lines)

    @property
    def kept_lines(self) -> list[Line]:
        """The lines that nobody has rejected; they have their stock until the order ends."""
        return [line for line in self.lines if line.status is not LineStatus.REJECTED]


def rejected(line: Line, note: str | None) -> Line:
    """The line without a charge; a former note stays when there is no new one."""
    return replace(
        line,
        status=LineStatus.REJECTED,
        line_subtotal_cents=0,
        discount_cents=0,
        total_cents=0,
        applied_volume_discount=None,
        notes=note or line.notes,
    )


def charged(lines: Iterable[Line], *, shipping_cents: int, tip_cents: int) -> Amounts:
    """The sums over the lines that are not rejected, and the order's shares; all 0 when every line is rejected."""
    kept = [line for line in lines if line.status is not LineStatus.REJECTED]
    if not kept:
        return Amounts()
    return Amounts(
        subtotal_cents=sum(line.line_subtotal_cents for line in kept),
        discounts_cents=sum(line.discount_cents for line in kept),
        shipping_cents=shipping_cents,
        tip_cents=tip_cents,
    )


def status_of(lines: Sequence[Line]) -> OrderStatus:
    """What the lines make of an order that is not packed yet."""
    statuses = {line.status for line in lines}
    if LineStatus.PENDING in statuses:
        return OrderStatus.CREATED_PENDING
    if statuses == {LineStatus.REJECTED}:
        return OrderStatus.REJECTED
    return OrderStatus.PARTIALLY_ACCEPTED if LineStatus.REJECTED in statuses else OrderStatus.ACCEPTED
