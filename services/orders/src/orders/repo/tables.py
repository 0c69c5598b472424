"""The schema of orders (spec 5.1). CHECK constraints hold the equations of money (spec 13)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Sequence, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from chassis.db import service_metadata
from chassis.db.columns import cents, choice, counter, currency, instant, jsonb, long_text, short_text
from chassis.db.columns import quantity as units
from kernel.scope import Kyc, StoreType
from orders.domain.states import (
    ActorKind,
    AttemptState,
    CartStatus,
    Deed,
    FulfillmentStatus,
    GroupStatus,
    ItemStatus,
    LineStatus,
    OrderStatus,
    PaymentMethod,
    RefundStatus,
    ShippingStatus,
)

METADATA = service_metadata("orders")
ORDER_NUMBERS = Sequence("order_numbers", metadata=METADATA, start=10001)


class Table(SQLModel):
    metadata = METADATA


class CartRecord(Table, table=True):
    __tablename__ = "cart_records"
    __table_args__ = (
        CheckConstraint("total_cents = subtotal_cents - discounts_cents", name="total"),
        CheckConstraint("(status = 'converted') = (converted_at is not null)", name="converted"),
        CheckConstraint("cardinality(ad_tokens) <= 50", name="ad_tokens"),
        Index("uq_cart_records_active", "buyer_store_id", unique=True, postgresql_where=text("status = 'active'")),
    )

    id: UUID = Field(primary_key=True)
    buyer_store_id: UUID
    checkout_group_id: UUID | None = None
    status: CartStatus = choice(CartStatus)
    shipping_address: dict[str, Any] | None = jsonb(nullable=True)
    billing_address: dict[str, Any] | None = jsonb(nullable=True)
    tip_cents: int = cents(least=0)
    payment_method: PaymentMethod | None = choice(PaymentMethod, nullable=True)
    shipping_line: dict[str, Any] | None = jsonb(nullable=True)
    currency: str = currency()
    valid_until: datetime = instant(now=False)
    subtotal_cents: int = cents(least=0)
    discounts_cents: int = cents(least=0)
    total_cents: int = cents(least=0)
    converted_at: datetime | None = instant(now=False, nullable=True)
    ad_tokens: list[str] = Field(sa_type=ARRAY(Text), sa_column_kwargs={"server_default": text("'{}'")})
    created_at: datetime = instant()
    updated_at: datetime = instant()


class CartItem(Table, table=True):
    __tablename__ = "cart_items"
    __table_args__ = (
        CheckConstraint("line_total_cents = line_subtotal_cents - line_discounts_cents", name="total"),
        CheckConstraint("status <> 'ok' or line_subtotal_cents = unit_price_cents * quantity", name="subtotal"),
        UniqueConstraint("cart_id", "product_id", name="uq_cart_items_cart_id_product_id"),
    )

    id: UUID = Field(primary_key=True)
    cart_id: UUID = Field(foreign_key="orders.cart_records.id", ondelete="CASCADE")
    product_id: UUID
    vendor_store_id: UUID
    vendor_store_name: str = long_text()
    unit: str = short_text(longest=20)
    quantity: int = units(least=1)
    moq: int = units()
    max_qty: int | None = units(nullable=True)
    title: str = long_text()
    category: str = short_text(longest=40)
    strain: str | None = long_text(nullable=True)
    classification: str | None = short_text(longest=40, nullable=True)
    thumbnail: str | None = long_text(nullable=True)
    unit_price_cents: int = cents(least=0)
    effective_unit_price_cents: int = cents(least=0)
    line_discounts_cents: int = cents(least=0)
    line_subtotal_cents: int = cents(least=0)
    line_total_cents: int = cents(least=0)
    applied_volume_discount: dict[str, Any] | None = jsonb(nullable=True)
    status: ItemStatus = choice(ItemStatus)
    warnings: list[dict[str, Any]] = jsonb()
    created_at: datetime = instant()
    updated_at: datetime = instant()


class CartVendorGroup(Table, table=True):
    __tablename__ = "cart_vendor_groups"
    __table_args__ = (
        CheckConstraint("discounts_cents = line_discounts_cents + promo_discount_cents", name="discounts"),
        CheckConstraint("total_cents = subtotal_cents - discounts_cents", name="total"),
        UniqueConstraint("cart_id", "vendor_store_id", name="uq_cart_vendor_groups_cart_id_vendor_store_id"),
    )

    id: UUID = Field(primary_key=True)
    cart_id: UUID = Field(foreign_key="orders.cart_records.id", ondelete="CASCADE")
    vendor_store_id: UUID
    status: GroupStatus = choice(GroupStatus)
    warnings: list[dict[str, Any]] = jsonb()
    subtotal_cents: int = cents(least=0)
    promo: dict[str, Any] | None = jsonb(nullable=True)
    line_discounts_cents: int = cents(least=0)
    promo_discount_cents: int = cents(least=0)
    discounts_cents: int = cents(least=0)
    total_cents: int = cents(least=0)


class CheckoutAttempt(Table, table=True):
    """A row without a buyer is the tombstone of an id that never was an attempt here; it can only be aborted."""

    __tablename__ = "checkout_attempts"
    __table_args__ = (
        CheckConstraint(
            "state = 'aborted' or num_nulls(buyer_store_id, request, actor, idempotency_scope, body_hmac, lines, "
            "claim_token) = 0",
            name="whole",
        ),
        Index(
            "uq_checkout_attempts_cart_id",
            "cart_id",
            unique=True,
            postgresql_where=text("state in ('reserving', 'committed')"),
        ),
        Index(
            "uq_checkout_attempts_retry_of_order_id",
            "retry_of_order_id",
            unique=True,
            postgresql_where=text("state in ('reserving', 'committed')"),
        ),
        Index("ix_checkout_attempts_claimed_until", "claimed_until", postgresql_where=text("state = 'reserving'")),
    )

    id: UUID = Field(primary_key=True)
    buyer_store_id: UUID | None = None
    cart_id: UUID | None = None
    retry_of_order_id: UUID | None = None
    state: AttemptState = choice(AttemptState)
    request: dict[str, Any] | None = jsonb(nullable=True)
    actor: dict[str, Any] | None = jsonb(nullable=True)
    idempotency_scope: dict[str, Any] | None = jsonb(nullable=True)
    body_hmac: bytes | None = None
    lines: list[dict[str, Any]] | None = jsonb(nullable=True)
    claim_token: UUID | None = None
    claimed_until: datetime = instant(now=False)
    created_at: datetime = instant()
    updated_at: datetime = instant()


class CheckoutGroup(Table, table=True):
    __tablename__ = "checkout_groups"

    id: UUID = Field(primary_key=True)
    buyer_store_id: UUID
    cart_id: UUID | None = Field(default=None, unique=True)
    attributed_ad_click_id: UUID | None = None
    shipping_address: dict[str, Any] = jsonb()
    billing_address: dict[str, Any] | None = jsonb(nullable=True)
    payment_method: PaymentMethod = choice(PaymentMethod)
    tip_cents: int = cents(least=0)
    shipping_line: dict[str, Any] | None = jsonb(nullable=True)
    created_at: datetime = instant()


class VendorOrderRecord(Table, table=True):
    __tablename__ = "vendor_orders"
    __table_args__ = (
        CheckConstraint("buyer_store_id <> vendor_store_id", name="two_stores"),
        CheckConstraint(
            "total_cents = subtotal_cents - discounts_cents + tax_cents + transport_fee_cents + shipping_cents "
            "+ tip_cents",
            name="total",
        ),
        CheckConstraint("balance_due_cents <= total_cents", name="balance"),
        CheckConstraint(
            "status <> 'rejected' or (subtotal_cents = 0 and total_cents = 0 and balance_due_cents = 0)",
            name="rejected_is_free",
        ),
        UniqueConstraint("checkout_group_id", "vendor_store_id", name="uq_vendor_orders_checkout_group_id_vendor"),
        Index("ix_vendor_orders_buyer", "buyer_store_id", text("created_at desc"), text("id desc")),
        Index("ix_vendor_orders_vendor", "vendor_store_id", text("created_at desc"), text("id desc")),
        Index("ix_vendor_orders_action", "vendor_store_id", "status", text("created_at desc"), text("id desc")),
        Index("ix_vendor_orders_nudge", "status", "nudge_due_at"),
        Index("ix_vendor_orders_expiry", "status", "expires_at"),
    )

    id: UUID = Field(primary_key=True)
    order_number: int = Field(
        sa_type=BigInteger, unique=True, sa_column_kwargs={"server_default": text("nextval('orders.order_numbers')")}
    )
    version: int = counter()
    cart_id: UUID | None = None
    checkout_group_id: UUID = Field(foreign_key="orders.checkout_groups.id")
    buyer_store_id: UUID
    vendor_store_id: UUID
    currency: str = currency()
    status: OrderStatus = choice(OrderStatus)
    refund_status: RefundStatus = choice(RefundStatus)
    fulfillment_status: FulfillmentStatus = choice(FulfillmentStatus)
    shipping_status: ShippingStatus = choice(ShippingStatus)
    payment_method: PaymentMethod = choice(PaymentMethod)
    subtotal_cents: int = cents(least=0)
    discounts_cents: int = cents(least=0)
    tax_cents: int = cents(least=0)
    transport_fee_cents: int = cents(least=0)
    shipping_cents: int = cents(least=0)
    tip_cents: int = cents(least=0)
    total_cents: int = cents(least=0)
    balance_due_cents: int = cents(least=0)
    shipping_address: dict[str, Any] | None = jsonb(nullable=True)
    shipping_line: dict[str, Any] | None = jsonb(nullable=True)
    warnings: list[dict[str, Any]] | None = jsonb(nullable=True)
    promo: dict[str, Any] | None = jsonb(nullable=True)
    attributed_ad_click_id: UUID | None = None
    attributed_ad_id: UUID | None = None
    retried_from_order_id: UUID | None = None
    notes: str | None = long_text(nullable=True)
    internal_notes: str | None = long_text(nullable=True)
    nudge_due_at: datetime = instant(now=False)
    nudged_at: datetime | None = instant(now=False, nullable=True)
    expires_at: datetime = instant(now=False)
    buyer_nudged_at: datetime | None = instant(now=False, nullable=True)
    created_at: datetime = instant()
    updated_at: datetime = instant()
    fulfilled_at: datetime | None = instant(now=False, nullable=True)
    in_transit_at: datetime | None = instant(now=False, nullable=True)
    delivered_at: datetime | None = instant(now=False, nullable=True)
    canceled_at: datetime | None = instant(now=False, nullable=True)
    cancel_reason: str | None = long_text(nullable=True)
    expired_at: datetime | None = instant(now=False, nullable=True)
    closed_at: datetime | None = instant(now=False, nullable=True)


class OrderLineItem(Table, table=True):
    __tablename__ = "order_line_items"
    __table_args__ = (
        CheckConstraint("total_cents = line_subtotal_cents - discount_cents", name="total"),
        CheckConstraint(
            "line_subtotal_cents = case status when 'rejected' then 0 else unit_price_cents * qty end", name="subtotal"
        ),
        Index("ix_order_line_items_order_id", "order_id"),
    )

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="orders.vendor_orders.id")
    product_id: UUID
    cart_item_id: UUID | None = None
    name: str = long_text()
    category: str = short_text(longest=40)
    strain: str | None = long_text(nullable=True)
    classification: str | None = short_text(longest=40, nullable=True)
    unit: str = short_text(longest=20)
    thumbnail: str | None = long_text(nullable=True)
    unit_price_cents: int = cents(least=0)
    qty: int = units(least=1)
    moq: int = units()
    max_qty: int | None = units(nullable=True)
    discount_cents: int = cents(least=0)
    line_subtotal_cents: int = cents(least=0)
    total_cents: int = cents(least=0)
    applied_volume_discount: dict[str, Any] | None = jsonb(nullable=True)
    warnings: list[dict[str, Any]] | None = jsonb(nullable=True)
    status: LineStatus = choice(LineStatus)
    notes: str | None = long_text(nullable=True)
    created_at: datetime = instant()
    updated_at: datetime = instant()


class OrderStatusHistory(Table, table=True):
    """Append-only by trigger. `actor` is who caused the move, as audit rows tell it, and `actor_kind` for which side.

    `event_id` names the event that told it; `what` is one word, because a status may stay what it was.
    """

    __tablename__ = "order_status_history"
    __table_args__ = (Index("ix_order_status_history_order_id", "order_id", "at"), {"info": {"app": "select, insert"}})

    id: UUID = Field(primary_key=True)
    order_id: UUID = Field(foreign_key="orders.vendor_orders.id")
    event_id: UUID
    what: Deed = choice(Deed)
    from_status: OrderStatus | None = choice(OrderStatus, nullable=True)
    to_status: OrderStatus = choice(OrderStatus)
    line_item_id: UUID | None = None
    actor: str = long_text()
    actor_kind: ActorKind = choice(ActorKind)
    at: datetime = instant()
    reason: str | None = long_text(nullable=True)


class Store(Table, table=True):
    """Projection of identity's stores; a deleted one stays as a tombstone."""

    __tablename__ = "stores"

    store_id: UUID = Field(primary_key=True)
    source_epoch: int = counter()
    version: int = counter()
    type: StoreType = choice(StoreType)
    company_name: str = long_text()
    dba_name: str | None = long_text(nullable=True)
    phone: str | None = long_text(nullable=True)
    logo_url: str | None = long_text(nullable=True)
    address: dict[str, Any] = jsonb()
    state: str = short_text(longest=2)
    kyc_status: Kyc = choice(Kyc)
    deleted: bool = Field(default=False)
    updated_at: datetime = instant()
