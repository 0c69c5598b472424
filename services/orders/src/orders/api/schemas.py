"""What the wire sees: bodies that are read, and the shapes that answers have."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from chassis.web import CLEAN, Body, Cents, Name, PageQuery, PostalAddress, Quantity
from contracts.values import Address, ShippingLine, VolumeDiscount, Warned
from kernel.refusal import Invalid
from orders.domain.states import (
    CartStatus,
    Currency,
    FulfillmentStatus,
    GroupStatus,
    ItemStatus,
    LineStatus,
    OrderStatus,
    PaymentMethod,
    PaymentStatus,
    RefundStatus,
    ShippingStatus,
)
from orders.queries.lists import Perspective

CART_ITEMS_MAX = 200
AD_TOKENS_MAX = 50
AD_TOKEN_LENGTH_MAX = 4096

AdToken = Annotated[str, Field(max_length=AD_TOKEN_LENGTH_MAX)]


class CartItemWanted(Body):
    product_id: UUID
    vendor_store_id: UUID
    quantity: Annotated[Quantity, Field(ge=1)]


class VendorPromo(Body):
    vendor_store_id: UUID
    code: Name


class CartUpsert(Body):
    """The whole cart as it shall be. Advertising tokens are read and, as none is valid yet, dropped."""

    items: Annotated[list[CartItemWanted], Field(min_length=1, max_length=CART_ITEMS_MAX)]
    vendor_promos: Annotated[tuple[VendorPromo, ...], Field(max_length=CART_ITEMS_MAX)] = ()
    ad_tokens: Annotated[tuple[AdToken, ...], Field(max_length=AD_TOKENS_MAX)] = ()
    buyer_store_id: UUID | None = None

    @model_validator(mode="after")
    def _no_product_twice(self) -> "CartUpsert":
        if len({item.product_id for item in self.items}) < len(self.items):
            raise Invalid.field("items", "names a product twice")
        return self


class ShippingChoice(Body):
    code: Name
    title: Name
    price_cents: Cents


class CheckoutBody(Body):
    cart_id: UUID
    shipping_address: PostalAddress
    billing_address: PostalAddress | None = None
    tip_cents: Cents = 0
    payment_method: PaymentMethod
    shipping_line: ShippingChoice | None = None


class OrdersQuery(PageQuery):
    """`actionable_statuses` may be repeated or separated by commas; empty means all that waits for the vendor."""

    perspective: Perspective | None = None
    order_status: OrderStatus | None = None
    fulfillment_status: FulfillmentStatus | None = None
    shipping_status: ShippingStatus | None = None
    payment_status: PaymentStatus | None = None
    date_from: AwareDatetime | None = None
    date_to: AwareDatetime | None = None
    q: Annotated[str, Field(max_length=100), CLEAN] | None = None
    actionable_statuses: list[str] | None = None


class Shape(BaseModel):
    """An answer, as the reference describes it and the tests check it."""

    model_config = ConfigDict(extra="forbid")


class CartGroup(Shape):
    vendor_store_id: UUID
    status: GroupStatus
    warnings: list[Warned]
    subtotal_cents: int
    promo: dict[str, Any] | None
    line_discounts_cents: int
    promo_discount_cents: int
    discounts_cents: int
    total_cents: int


class CartItem(Shape):
    id: UUID
    product_id: UUID
    vendor_store_id: UUID
    vendor_store_name: str
    unit: str
    quantity: int
    moq: int
    max_qty: int | None
    title: str
    category: str
    strain: str | None
    classification: str | None
    thumbnail: str | None
    unit_price_cents: int
    effective_unit_price_cents: int
    line_discounts_cents: int
    line_subtotal_cents: int
    line_total_cents: int
    applied_volume_discount: VolumeDiscount | None
    status: ItemStatus
    warnings: list[Warned]
    created_at: datetime
    updated_at: datetime


class Cart(Shape):
    """A quoted cart; its totals exclude tip and shipping."""

    id: UUID
    buyer_store_id: UUID
    checkout_group_id: UUID | None
    status: CartStatus
    shipping_address: Address | None
    billing_address: Address | None
    currency: Currency
    valid_until: datetime
    subtotal_cents: int
    discounts_cents: int
    total_cents: int
    tip_cents: int
    ad_tokens: list[str]
    vendor_groups: list[CartGroup]
    items: list[CartItem]
    created_at: datetime
    updated_at: datetime


class LineItem(Shape):
    id: UUID
    product_id: UUID
    name: str
    thumbnail: str | None
    category: str
    strain: str | None
    classification: str | None
    unit: str
    unit_price_cents: int
    quantity: int
    discount_cents: int
    total_cents: int
    status: LineStatus
    notes: str | None


class PaymentIntent(Shape):
    id: UUID
    method: PaymentMethod
    status: PaymentStatus
    amount_cents: int
    cash_collected_at: datetime | None
    vendor_paid_at: datetime | None
    failure_reason: str | None


class Assignment(Shape):
    id: UUID
    agent_user_id: UUID
    assigned_by_user_id: UUID | None
    assigned_at: datetime
    unassigned_at: datetime | None
    pickup_time: datetime | None
    delivery_time: datetime | None
    cash_pickup_time: datetime | None
    pickup_signature_gcs_key: str | None
    delivery_signature_gcs_key: str | None


class ConfirmedOrder(Shape):
    order_id: UUID
    order_number: int
    vendor_store_id: UUID
    status: OrderStatus
    payment_status: PaymentStatus
    payment_method: PaymentMethod
    amount_cents: int
    balance_due_cents: int
    fulfillment_status: FulfillmentStatus
    shipping_status: ShippingStatus
    payment_intent: PaymentIntent | None
    active_assignment: Assignment | None
    subtotal_cents: int
    total_cents: int
    warnings: list[Warned] | None
    promo: dict[str, Any] | None
    items: list[LineItem]


class Confirmation(Shape):
    checkout_group_id: UUID
    cart_id: UUID | None
    vendor_orders: list[ConfirmedOrder]
    cart_vendor_groups: list[CartGroup]


class StoreSummary(Shape):
    id: UUID
    company_name: str
    dba_name: str | None
    logo_url: str | None
    address: Address | None
    phone: str | None


class OrderRow(Shape):
    id: UUID
    order_number: int
    created_at: datetime
    total_cents: int
    discount_cents: int
    total_items: int
    order_status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    shipping_status: ShippingStatus


class BuyerRow(OrderRow):
    vendor: StoreSummary | None


class Shipping(Shape):
    address: Address | None
    line: ShippingLine | None


class VendorRow(OrderRow):
    buyer: StoreSummary | None
    delivered_at: datetime | None
    assignments: list[Assignment]
    shipping: Shipping


class Pagination(Shape):
    next: str | None
    total: int | None = None


class OrderList(Shape):
    """Rows of the buyer's side, or of the vendor's."""

    orders: list[BuyerRow] | list[VendorRow]
    pagination: Pagination


class Order(Shape):
    """`internal_notes` is there for the vendor's side only."""

    id: UUID
    order_number: int
    version: int
    cart_id: UUID | None
    checkout_group_id: UUID
    buyer_store_id: UUID
    vendor_store_id: UUID
    currency: Currency
    status: OrderStatus
    payment_status: PaymentStatus
    refund_status: RefundStatus
    fulfillment_status: FulfillmentStatus
    shipping_status: ShippingStatus
    payment_method: PaymentMethod
    subtotal_cents: int
    discounts_cents: int
    tax_cents: int
    transport_fee_cents: int
    shipping_cents: int
    tip_cents: int
    total_cents: int
    balance_due_cents: int
    total_items: int
    shipping_address: Address | None
    shipping_line: ShippingLine | None
    warnings: list[Warned] | None
    promo: dict[str, Any] | None
    attributed_ad_click_id: UUID | None
    attributed_ad_id: UUID | None
    retried_from_order_id: UUID | None
    notes: str | None
    internal_notes: str | None = None
    nudge_due_at: datetime
    nudged_at: datetime | None
    expires_at: datetime
    buyer_nudged_at: datetime | None
    created_at: datetime
    updated_at: datetime
    fulfilled_at: datetime | None
    in_transit_at: datetime | None
    delivered_at: datetime | None
    canceled_at: datetime | None
    cancel_reason: str | None
    expired_at: datetime | None
    closed_at: datetime | None


class OrderDetail(Shape):
    order: Order
    line_items: list[LineItem]
    payment_intent: PaymentIntent | None
    buyer_store: StoreSummary | None
    vendor_store: StoreSummary | None
    active_assignment: Assignment | None
