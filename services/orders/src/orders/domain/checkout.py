"""From a cart and catalog's answer to the orders of one checkout (spec 12.6, 13.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.values import Warned
from kernel.money import CENTS_MAX, split_cents
from orders.domain.order import Amounts, Line, charged, rejected
from orders.domain.states import LineStatus, OrderStatus

TOTAL_CENTS_MAX = CENTS_MAX
"""The most that the orders of one checkout may charge together; no column and no event takes more."""


@dataclass(frozen=True, slots=True)
class VendorPart:
    """One vendor's lines of a checkout: pending ones are asked of catalog, items that were not ok are rejected."""

    vendor_store_id: UUID
    warnings: tuple[Warned, ...]
    lines: tuple[Line, ...]

    @property
    def pending(self) -> list[Line]:
        return [line for line in self.lines if line.status is LineStatus.PENDING]


@dataclass(frozen=True, slots=True)
class SettledPart:
    """What becomes one vendor order: rejected with amount 0 when none of its lines was reserved."""

    vendor_store_id: UUID
    warnings: tuple[Warned, ...]
    lines: tuple[Line, ...]
    amounts: Amounts

    @property
    def status(self) -> OrderStatus:
        """Only what was reserved waits for the vendor."""
        waiting = any(line.status is LineStatus.PENDING for line in self.lines)
        return OrderStatus.CREATED_PENDING if waiting else OrderStatus.REJECTED


@dataclass(frozen=True, slots=True)
class Settlement:
    """`rejected` are the vendors without an ok item: they get no order."""

    parts: tuple[SettledPart, ...]
    rejected: tuple[VendorPart, ...]


def as_quoted(line: Line, status: str) -> Line:
    """The line as its quote stands: to be reserved when it is ok; else rejected at once, its warnings as the note."""
    if status == "ok":
        return line
    return rejected(line, "; ".join(warning.type for warning in line.warnings) or status)


def past_limit(parts: Sequence[VendorPart], *, tip_cents: int, shipping_cents: int) -> str | None:
    """What takes a checkout past the most it may charge, as the field of its request; None when nothing does.

    It is asked of the lines still to be reserved: a line that is refused later only makes the sum smaller.
    """
    pending = [line for part in parts for line in part.pending]
    charged_cents = sum(line.total_cents for line in pending)
    if sum(line.line_subtotal_cents for line in pending) > TOTAL_CENTS_MAX:
        return "cart_id"
    if charged_cents + tip_cents > TOTAL_CENTS_MAX:
        return "tip_cents"
    if charged_cents + tip_cents + shipping_cents > TOTAL_CENTS_MAX:
        return "shipping_line.price_cents"
    return None


def shipping_cents_of(request: Mapping[str, Any]) -> int:
    """What the shipping of a checkout costs; 0 when its request has no shipping line."""
    line = request["shipping_line"]
    return int(line["price_cents"]) if line else 0


def settle(
    parts: Sequence[VendorPart], refused: Mapping[UUID, str], *, tip_cents: int, shipping_cents: int
) -> Settlement:
    """The orders of a checkout; `refused` maps a line that was not reserved to catalog's reason.

    Tip and shipping are shared by the orders with at least one reserved line, in proportion to subtotal - discounts,
    ties by vendor_store_id; nothing of either is lost.
    """
    ordered = [_without(part, refused) for part in parts if part.pending]
    sharing = sorted((part for part in ordered if part.pending), key=lambda part: part.vendor_store_id)
    weights = [_goods_cents(part) for part in sharing]
    tips = _shares(sharing, tip_cents, weights)
    shippings = _shares(sharing, shipping_cents, weights)
    settled = tuple(_settled(part, tips, shippings) for part in ordered)
    return Settlement(settled, tuple(part for part in parts if not part.pending))


def _without(part: VendorPart, refused: Mapping[UUID, str]) -> VendorPart:
    lines = tuple(rejected(line, refused[line.id]) if line.id in refused else line for line in part.lines)
    return VendorPart(part.vendor_store_id, part.warnings, lines)


def _goods_cents(part: VendorPart) -> int:
    return sum(line.total_cents for line in part.pending)


def _shares(sharing: Sequence[VendorPart], cents: int, weights: Sequence[int]) -> dict[UUID, int]:
    if not sharing:
        return {}
    return dict(zip((part.vendor_store_id for part in sharing), split_cents(cents, weights), strict=True))


def _settled(part: VendorPart, tips: Mapping[UUID, int], shippings: Mapping[UUID, int]) -> SettledPart:
    amounts = charged(
        part.lines,
        shipping_cents=shippings.get(part.vendor_store_id, 0),
        tip_cents=tips.get(part.vendor_store_id, 0),
    )
    return SettledPart(part.vendor_store_id, part.warnings, part.lines, amounts)


def refusal_lines(parts: Sequence[VendorPart], refused: Mapping[UUID, tuple[str, int]]) -> list[dict[str, Any]]:
    """details.lines of nothing_reservable: per line the reason, and how many units could still be had."""
    return [
        {
            "product_id": str(line.product_id),
            "vendor_store_id": str(part.vendor_store_id),
            "reason": reason,
            "available_qty": available,
        }
        for part in parts
        for line in part.lines
        for reason, available in [refused.get(line.id, (line.notes or "not_available", 0))]
    ]
