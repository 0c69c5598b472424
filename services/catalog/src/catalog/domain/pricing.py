"""What an item costs, and what is wrong with it (spec 4.4, 13). Integer cents, one rounding per line."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from catalog.domain.standing import Obstacle
from kernel.money import CENTS_MAX, percent_of, round_half_up

ItemStatus = Literal["ok", "not_available", "invalid"]


@dataclass(frozen=True, slots=True)
class Tier:
    min_qty: int
    discount_percent: Decimal


@dataclass(frozen=True, slots=True)
class Offer:
    """A product as a quote sees it; `obstacle` is why its vendor cannot sell to this buyer, None when it can."""

    store_id: UUID
    is_live: bool
    moq: int
    max_qty: int
    price_cents: int
    available_qty: int
    tiers: Sequence[Tier] = ()
    obstacle: Obstacle | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing the buyer should know about an item or a vendor."""

    type: str
    message: str


@dataclass(frozen=True, slots=True)
class Price:
    """The amounts of one line. `effective_unit_cents` is for display only."""

    subtotal_cents: int = 0
    discount_cents: int = 0
    total_cents: int = 0
    effective_unit_cents: int = 0
    tier: Tier | None = None


@dataclass(frozen=True, slots=True)
class Quoted:
    quantity: int
    status: ItemStatus
    price: Price
    warnings: Sequence[Notice]


NOT_AVAILABLE = Notice("not_available", "This product is not available in this quantity.")
VENDOR_MISMATCH = Notice("vendor_mismatch", "This product belongs to another vendor.")
OWN_PRODUCT = Notice("vendor_invalid", "A store cannot buy its own products.")
VENDOR_WARNINGS = {
    "vendor_suspended": Notice("vendor_suspended", "This vendor is suspended."),
    "license_invalid": Notice("license_invalid", "This vendor has no valid licence at present."),
    "vendor_invalid": Notice("vendor_invalid", "This vendor cannot sell to your store."),
}


def clamped(quantity: int, moq: int, max_qty: int) -> tuple[int, list[Notice]]:
    """The quantity raised to the minimum, then lowered to the maximum (0 = none), with a warning for each step."""
    warnings = []
    if quantity < moq:
        quantity = moq
        warnings.append(Notice("clamped_to_moq", f"The quantity was raised to the minimum of {moq}."))
    if 0 < max_qty < quantity:
        quantity = max_qty
        warnings.append(Notice("clamped_to_max", f"The quantity was lowered to the maximum of {max_qty}."))
    return quantity, warnings


def tier_for(quantity: int, tiers: Sequence[Tier]) -> Tier | None:
    """The tier with the greatest min_qty that the quantity reaches."""
    reached = [tier for tier in tiers if tier.min_qty <= quantity]
    return max(reached, key=lambda tier: tier.min_qty, default=None)


def priced(unit_price_cents: int, quantity: int, tiers: Sequence[Tier]) -> Price:
    """The line's amounts; the discount is rounded half up once."""
    tier = tier_for(quantity, tiers)
    subtotal = unit_price_cents * quantity
    discount = percent_of(subtotal, tier.discount_percent) if tier else 0
    total = subtotal - discount
    return Price(subtotal, discount, total, round_half_up(Decimal(total) / quantity), tier)


def quoted(offer: Offer, *, vendor_store_id: UUID, buyer_store_id: UUID, quantity: int) -> Quoted:
    """One item as the buyer may have it. Amounts are 0 unless its status is ok."""
    if offer.store_id != vendor_store_id:
        return Quoted(quantity, "invalid", Price(), [VENDOR_MISMATCH])
    if offer.store_id == buyer_store_id:
        return Quoted(quantity, "invalid", Price(), [OWN_PRODUCT])
    if offer.obstacle:
        return Quoted(quantity, "invalid", Price(), [VENDOR_WARNINGS["vendor_invalid"]])
    quantity, warnings = clamped(quantity, offer.moq, offer.max_qty)
    too_much = offer.price_cents * quantity > CENTS_MAX
    if not offer.is_live or offer.available_qty < quantity or too_much:
        return Quoted(quantity, "not_available", Price(), [*warnings, NOT_AVAILABLE])
    return Quoted(quantity, "ok", priced(offer.price_cents, quantity, offer.tiers), warnings)


def group_status(
    statuses: Sequence[ItemStatus], obstacle: Obstacle | None
) -> tuple[Literal["ok", "invalid"], Sequence[Notice]]:
    """A vendor's part of the cart is invalid when the vendor cannot sell, or when every item of it is invalid."""
    if obstacle:
        return "invalid", [VENDOR_WARNINGS[obstacle]]
    if all(status == "invalid" for status in statuses):
        return "invalid", [VENDOR_WARNINGS["vendor_invalid"]]
    return "ok", []
