"""A quoted cart: what catalog answered, as items and vendor groups with their sums (spec 5.4, 12.5)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.catalog import QuoteAnswer, QuotedItem, QuotedVendor
from contracts.values import Warned

INVALID_PROMO = Warned(type="invalid_promo", message="this promotion code is not valid")


@dataclass(frozen=True, slots=True)
class QuotedGroup:
    """The sums over the vendor's items with status ok. Promotions come later: their discount is 0."""

    vendor_store_id: UUID
    status: str
    warnings: tuple[Warned, ...]
    subtotal_cents: int
    line_discounts_cents: int

    @property
    def discounts_cents(self) -> int:
        return self.line_discounts_cents

    @property
    def total_cents(self) -> int:
        return self.subtotal_cents - self.discounts_cents


@dataclass(frozen=True, slots=True)
class QuotedCart:
    """The content of a cart; its own sums are those of its groups, tip and shipping not among them (spec 13.4)."""

    items: tuple[QuotedItem, ...]
    names: Mapping[UUID, str]
    groups: tuple[QuotedGroup, ...]

    @property
    def subtotal_cents(self) -> int:
        return sum(group.subtotal_cents for group in self.groups)

    @property
    def discounts_cents(self) -> int:
        return sum(group.discounts_cents for group in self.groups)

    @property
    def total_cents(self) -> int:
        return sum(group.total_cents for group in self.groups)


def quoted_cart(quote: QuoteAnswer, former_prices: Mapping[UUID, int], promos: Collection[UUID]) -> QuotedCart:
    """The cart a quote makes.

    `former_prices` are the unit prices of the previous quote by product, for price_changed; `promos` are the vendors
    for which a promotion code was given: every code answers with invalid_promo.
    """
    items = tuple(_with_price_warning(item, former_prices.get(item.product_id)) for item in quote.items)
    groups = tuple(_group(vendor, items, promo=vendor.vendor_store_id in promos) for vendor in quote.vendors)
    return QuotedCart(items, {vendor.vendor_store_id: vendor.vendor_store_name for vendor in quote.vendors}, groups)


def _with_price_warning(item: QuotedItem, former_cents: int | None) -> QuotedItem:
    if item.status != "ok" or former_cents is None or former_cents == item.unit_price_cents:
        return item
    text = f"the price changed from {former_cents} to {item.unit_price_cents} cents since the last quote"
    return item.model_copy(update={"warnings": (*item.warnings, Warned(type="price_changed", message=text))})


def _group(vendor: QuotedVendor, items: Sequence[QuotedItem], *, promo: bool) -> QuotedGroup:
    counted = [item for item in items if item.vendor_store_id == vendor.vendor_store_id and item.status == "ok"]
    return QuotedGroup(
        vendor_store_id=vendor.vendor_store_id,
        status=vendor.status,
        warnings=(*vendor.warnings, *([INVALID_PROMO] if promo else [])),
        subtotal_cents=sum(item.line_subtotal_cents for item in counted),
        line_discounts_cents=sum(item.line_discounts_cents for item in counted),
    )
