"""An expired order tried again, at the prices of today (spec 12.11)."""

from typing import Any
from uuid import UUID

from contracts.catalog import QuoteAnswer, QuotedItem, QuoteItem
from kernel.refusal import Conflict, StateConflict
from orders.domain.checkout import TOTAL_CENTS_MAX, VendorPart, as_quoted
from orders.domain.order import Line, VendorOrder


def retried_already() -> Conflict:
    """Another order stands in for this one; a second one never will."""
    return Conflict("already_retried", "this order has been retried already")


def amount_too_large() -> StateConflict:
    """Prices have risen past what one checkout may charge."""
    return StateConflict("amount_too_large", f"at the prices of today this order passes {TOTAL_CENTS_MAX} cents")


def items_again(order: VendorOrder) -> list[QuoteItem]:
    """What is asked of catalog: the lines the order had when it expired, in the quantities it had."""
    return [
        QuoteItem(product_id=line.product_id, vendor_store_id=order.vendor_store_id, quantity=line.qty)
        for line in order.kept_lines
    ]


def part_again(order: VendorOrder, quote: QuoteAnswer, line_ids: dict[UUID, UUID]) -> VendorPart:
    """The lines of the new order as they were quoted; `line_ids` are their new ids by product.

    Raises `StateConflict`: vendor_not_visible when the buyer may not see the vendor any more, quantity when a product's
    bounds have moved past what was ordered, because a quantity is never changed silently. The bounds of an item that
    cannot be had say nothing: its line is rejected anyway.
    """
    [vendor] = quote.vendors
    if vendor.status != "ok":
        raise StateConflict("vendor_not_visible", "the vendor of this order cannot be bought from")
    violations = _violations(order, quote)
    if violations:
        raise StateConflict.quantity(violations)
    pairs = zip(order.kept_lines, quote.items, strict=True)
    lines = tuple(_line(quoted, line_ids[quoted.product_id], former.qty) for former, quoted in pairs)
    return VendorPart(order.vendor_store_id, vendor.warnings, lines)


def request_again(order: VendorOrder, billing_address: dict[str, Any] | None) -> dict[str, Any]:
    """What a client would have sent for the new order: the old one's addresses, method, and shares."""
    return {
        "cart_id": None,
        "shipping_address": order.shipping_address,
        "billing_address": billing_address,
        "tip_cents": order.amounts.tip_cents,
        "payment_method": order.payment_method.value,
        "shipping_line": order.shipping_line,
    }


def _violations(order: VendorOrder, quote: QuoteAnswer) -> list[dict[str, Any]]:
    return [
        {
            "product_id": str(quoted.product_id),
            "product_name": line.name,
            "required_qty": quoted.quantity,
            "requested_qty": line.qty,
        }
        for line, quoted in zip(order.kept_lines, quote.items, strict=True)
        if quoted.status == "ok" and quoted.quantity != line.qty
    ]


def _line(item: QuotedItem, line_id: UUID, qty: int) -> Line:
    line = Line(
        id=line_id,
        product_id=item.product_id,
        name=item.title,
        category=item.category,
        strain=item.strain,
        classification=item.classification,
        unit=item.unit,
        thumbnail=item.thumbnail,
        unit_price_cents=item.unit_price_cents,
        qty=qty,
        moq=item.moq,
        max_qty=item.max_qty,
        line_subtotal_cents=item.line_subtotal_cents,
        discount_cents=item.line_discounts_cents,
        total_cents=item.line_total_cents,
        applied_volume_discount=item.applied_volume_discount,
        warnings=item.warnings,
    )
    return as_quoted(line, item.status)
