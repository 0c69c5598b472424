"""What catalog says: products as snapshots; and its internal routes for quotes and reservations (spec 1.10)."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Snapshot, Wire
from contracts.media import Attachment, Detachment
from contracts.values import Cents, Quantity, VolumeDiscount, Warned


class ProductChanged(Snapshot, topic="catalog.product_changed.v1", aggregate="product", key="product_id"):
    product_id: UUID
    store_id: UUID
    sku: str
    title: str
    category: str
    classification: str | None = None
    unit: str
    price_cents: Cents
    is_active: bool
    in_stock: bool
    thumbnail_url: str | None = None


class CatalogMediaAttached(Attachment, topic="catalog.media_attached.v1", aggregate="media", key="media_id"):
    """A product shows a picture, or has its certificate of analysis."""


class CatalogMediaDetached(Detachment, topic="catalog.media_detached.v1", aggregate="media", key="media_id"):
    """A product has let go of a picture or certificate."""


class QuoteItem(Wire):
    product_id: UUID
    vendor_store_id: UUID
    quantity: Quantity = Field(ge=1)


class QuoteRequest(Wire):
    """POST /internal/v1/quotes. Stores nothing; a product id that never existed is 404."""

    buyer_store_id: UUID
    items: list[QuoteItem] = Field(min_length=1, max_length=200)


class QuotedItem(Wire):
    """One priced item (spec 4.4). Amounts follow chapter 13 and are 0 unless `status` is ok."""

    product_id: UUID
    vendor_store_id: UUID
    quantity: Quantity
    title: str
    category: str
    strain: str | None = None
    classification: str | None = None
    unit: str
    thumbnail: str | None = None
    moq: Quantity
    max_qty: Quantity | None = None
    unit_price_cents: Cents
    effective_unit_price_cents: Cents
    discount_percent: Decimal = Decimal(0)
    line_subtotal_cents: Cents
    line_discounts_cents: Cents
    line_total_cents: Cents
    applied_volume_discount: VolumeDiscount | None = None
    status: Literal["ok", "not_available", "invalid"]
    warnings: tuple[Warned, ...] = ()


class QuotedVendor(Wire):
    vendor_store_id: UUID
    vendor_store_name: str
    status: Literal["ok", "invalid"]
    warnings: tuple[Warned, ...] = ()


class QuoteAnswer(Wire):
    """Items in the order they were asked for, and one entry per vendor in order of first appearance."""

    items: list[QuotedItem]
    vendors: list[QuotedVendor]


class ReserveLine(Wire):
    line_id: UUID
    product_id: UUID
    vendor_store_id: UUID
    qty: Quantity = Field(ge=1)


class ReserveCommand(Wire):
    """POST /internal/v1/reservations: all lines of one checkout at once, idempotent per (checkout_id, line_id)."""

    checkout_id: UUID
    buyer_store_id: UUID
    buyer_state: str
    lines: list[ReserveLine] = Field(min_length=1, max_length=200)


RefusedReason = Literal["insufficient_inventory", "product_inactive", "vendor_hidden"]


class ReservedLine(Wire):
    """What became of one line; `available_qty` is what could still be had when it was decided."""

    line_id: UUID
    product_id: UUID
    vendor_store_id: UUID
    reserved: bool
    reason: RefusedReason | None = None
    available_qty: Quantity = 0


class QuantityViolation(Wire):
    product_id: UUID
    product_name: str | None = None
    required_qty: Quantity
    requested_qty: Quantity


class ReserveAnswer(Wire):
    """`decided`: each line was reserved or refused, for good. `violated`: MOQ or max_qty, nothing was reserved.
    `aborted`: the checkout was aborted before this command came, nothing was reserved and nothing ever will be.
    """

    outcome: Literal["decided", "violated", "aborted"]
    lines: tuple[ReservedLine, ...] = ()
    violations: tuple[QuantityViolation, ...] = ()
