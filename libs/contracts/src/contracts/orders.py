"""What orders says: the facts of a checkout and of each vendor order; and its internal answers (spec 1.10)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Snapshot, Wire
from contracts.values import Address, Cents, Currency, LineState, Place, Quantity, ShippingLine, Warned

PaymentMethod = Literal["cash", "ach"]
OrderStatus = Literal[
    "created_pending", "accepted", "partially_accepted", "rejected", "fulfilled", "hold",
    "in_transit", "delivered", "closed", "canceled", "expired",
]  # fmt: skip
LineStatus = Literal["pending", "accepted", "rejected", "fulfilled", "hold"]
FulfillmentStatus = Literal["pending", "partial", "fulfilled"]
ShippingStatus = Literal["pending", "dispatched", "in_transit", "delivered"]


class CreatedItem(Wire):
    line_id: UUID
    product_id: UUID
    title: str
    category: str
    classification: str | None = None
    unit: str
    qty: Quantity
    moq: Quantity
    max_qty: Quantity | None = None
    unit_price_cents: Cents
    line_subtotal_cents: Cents
    discount_cents: Cents
    line_total_cents: Cents
    status: LineStatus
    warnings: tuple[Warned, ...] = ()
    attributed_ad_id: UUID | None = None


class OrderCreated(Event, topic="orders.order_created.v1", aggregate="vendor_order", key="order_id"):
    """One per vendor order. Lines that were not reserved are there too, rejected."""

    order_id: UUID
    order_number: int
    order_version: int
    checkout_group_id: UUID
    cart_id: UUID | None = None
    buyer_store_id: UUID
    vendor_store_id: UUID
    status: OrderStatus
    currency: Currency = "USD"
    payment_method: PaymentMethod
    subtotal_cents: Cents
    discounts_cents: Cents
    tax_cents: Cents
    transport_fee_cents: Cents
    shipping_cents: Cents
    tip_cents: Cents
    total_cents: Cents
    shipping_address: Place
    attributed_ad_click_id: UUID | None = None
    attributed_ad_id: UUID | None = None
    retried_from_order_id: UUID | None = None
    items: list[CreatedItem]


class CheckoutConverted(
    Event, topic="orders.checkout_converted.v1", aggregate="checkout_group", key="checkout_group_id"
):
    checkout_group_id: UUID
    cart_id: UUID | None = None
    buyer_store_id: UUID
    vendor_order_ids: list[UUID]
    vendor_store_ids: list[UUID]
    converted_at: datetime
    currency: Currency = "USD"
    payment_method: PaymentMethod
    shipping_address: Place
    shipping_line: ShippingLine | None = None
    subtotal_cents: Cents
    discounts_cents: Cents
    total_cents: Cents
    attributed_ad_click_id: UUID | None = None


class CheckoutAborted(Event, topic="orders.checkout_aborted.v1", aggregate="checkout_group", key="checkout_id"):
    """The checkout will never commit: whatever it held is free, and a reserve that comes later is refused."""

    checkout_id: UUID
    buyer_store_id: UUID
    line_ids: list[UUID]


class OrderDecided(Event, topic="orders.order_decided.v1", aggregate="vendor_order", key="order_id"):
    order_id: UUID
    order_version: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    scope: Literal["order", "line"]
    decision: Literal["accept", "reject"]
    status: OrderStatus
    lines: list[LineState]
    rejected_line_ids: list[UUID]
    subtotal_cents: Cents
    discounts_cents: Cents
    total_cents: Cents
    balance_due_cents: Cents


class OrderReadyForDispatch(
    Event, topic="orders.order_ready_for_dispatch.v1", aggregate="vendor_order", key="order_id"
):
    """The vendor has packed what it accepted: an agent may fetch it."""

    order_id: UUID
    order_number: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    fulfillment_status: FulfillmentStatus
    shipping_status: ShippingStatus
    rejected_item_count: Quantity


class OrderCanceled(Event, topic="orders.order_canceled.v1", aggregate="vendor_order", key="order_id"):
    """The order ended before its delivery; `released_line_ids` are the lines that still had their stock."""

    order_id: UUID
    order_number: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    canceled_at: datetime
    reason: str | None = None
    released_line_ids: list[UUID]


class OrderPendingNudge(Event, topic="orders.order_pending_nudge.v1", aggregate="vendor_order", key="order_id"):
    """The vendor has left the order undecided for this many days; said once per order."""

    order_id: UUID
    order_number: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    pending_days: int


class OrderExpired(Event, topic="orders.order_expired.v1", aggregate="vendor_order", key="order_id"):
    """Nobody decided the order in time; `released_line_ids` are the lines that still had their stock."""

    order_id: UUID
    order_number: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    expired_at: datetime
    ttl_days: int
    released_line_ids: list[UUID]


class OrderRetried(Event, topic="orders.order_retried.v1", aggregate="vendor_order", key="order_id"):
    """A new order stands in for one that had expired."""

    original_order_id: UUID
    order_id: UUID
    order_number: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID


class NotificationRequested(Event, topic="orders.notification_requested.v1", aggregate="vendor_order", key="order_id"):
    """A buyer asks the vendor to decide."""

    order_id: UUID
    order_number: int
    buyer_store_id: UUID
    vendor_store_id: UUID
    type: Literal["order_nudge"]
    requested_by_user_id: UUID


class ChangedLine(Wire):
    line_id: UUID
    product_id: UUID
    name: str
    category: str
    classification: str | None = None
    unit: str
    qty: Quantity
    unit_price_cents: Cents
    discount_cents: Cents
    total_cents: Cents
    status: LineStatus


class OrderChanged(Snapshot, topic="orders.order_changed.v1", aggregate="vendor_order", key="order_id"):
    order_id: UUID
    order_number: int
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    status: OrderStatus
    fulfillment_status: FulfillmentStatus
    shipping_status: ShippingStatus
    payment_method: PaymentMethod
    currency: Currency = "USD"
    subtotal_cents: Cents
    discounts_cents: Cents
    tax_cents: Cents
    transport_fee_cents: Cents
    shipping_cents: Cents
    tip_cents: Cents
    total_cents: Cents
    balance_due_cents: Cents
    total_items: Quantity
    shipping_address: Address | None = None
    attributed_ad_click_id: UUID | None = None
    attributed_ad_id: UUID | None = None
    retried_from_order_id: UUID | None = None
    lines: list[ChangedLine]
    nudge_due_at: datetime | None = None
    nudged_at: datetime | None = None
    expires_at: datetime | None = None
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


class ResolveAnswer(Wire):
    """POST /internal/v1/checkouts/{id}/resolve: what a held reservation belongs to.

    `order_ids` maps each line of a committed checkout to its vendor order, for those lines that still want their stock.
    """

    outcome: Literal["committed", "aborted", "open"]
    order_ids: dict[UUID, UUID] = Field(default_factory=dict)
