"""Puts a quote together: prices from the domain, facts of goods and vendors, in the shape of the wire (spec 4.4)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from catalog.domain.pricing import Notice, Offer, Quoted, group_status, quoted
from catalog.domain.standing import Standing, obstacle_to_sell
from catalog.queries.quotes import Goods
from contracts.catalog import QuoteAnswer, QuotedItem, QuotedVendor, QuoteItem, QuoteRequest
from contracts.values import VolumeDiscount, Warned

UNTOLD = {
    "title": "", "category": "", "strain": None, "classification": None, "unit": "", "thumbnail": None, "moq": 0,
    "max_qty": None,
}  # fmt: skip
"""A hidden vendor's product may stand in a cart, but says no more of itself than one that does not exist (spec 1.1)."""


def quote_answer(request: QuoteRequest, goods: Mapping[UUID, Goods], stores: Mapping[UUID, Standing]) -> QuoteAnswer:
    """Items in the order they were asked for, then one entry per vendor in order of first appearance."""
    items = [_item(request, item, goods[item.product_id], stores) for item in request.items]
    sellers = {item.vendor_store_id for item in items if goods[item.product_id]["store_id"] == item.vendor_store_id}
    vendors = dict.fromkeys(item.vendor_store_id for item in request.items)
    # Whose id it is, is told only of a store one of whose products was asked for: any store's id may stand there.
    told = {vendor: stores.get(vendor) if vendor in sellers else None for vendor in vendors}
    return QuoteAnswer(items=items, vendors=[_vendor(request, vendor, items, told[vendor], stores) for vendor in told])


def names_a_stranger(request: QuoteRequest, goods: Mapping[UUID, Goods], stores: Mapping[UUID, Standing]) -> bool:
    """Whether a product is named that its buyer may not see, and with the wrong vendor: that is like no product."""
    return any(
        goods[item.product_id]["store_id"] != item.vendor_store_id
        and _is_hidden(request, goods[item.product_id], stores)
        for item in request.items
    )


def _is_hidden(request: QuoteRequest, product: Goods, stores: Mapping[UUID, Standing]) -> bool:
    """Whether the market does not show the product's vendor to this buyer."""
    seller: UUID = product["store_id"]
    obstacle = obstacle_to_sell(
        stores.get(seller), buyer_store_id=request.buyer_store_id, buyer_state=_buyer_state(request, stores)
    )
    return obstacle is not None and seller != request.buyer_store_id


def _buyer_state(request: QuoteRequest, stores: Mapping[UUID, Standing]) -> str | None:
    buyer = stores.get(request.buyer_store_id)
    return buyer.state if buyer else None


def _item(request: QuoteRequest, item: QuoteItem, product: Goods, stores: Mapping[UUID, Standing]) -> QuotedItem:
    offer = Offer(
        store_id=product["store_id"],
        is_live=product["is_live"],
        moq=product["moq"],
        max_qty=product["max_qty"],
        price_cents=product["price_cents"],
        available_qty=product["available_qty"],
        tiers=product.tiers,
        obstacle=obstacle_to_sell(
            stores.get(product["store_id"]),
            buyer_store_id=request.buyer_store_id,
            buyer_state=_buyer_state(request, stores),
        ),
    )
    result = quoted(
        offer, vendor_store_id=item.vendor_store_id, buyer_store_id=request.buyer_store_id, quantity=item.quantity
    )
    told = _on_the_wire(item, product, result)
    return told.model_copy(update=UNTOLD) if _is_hidden(request, product, stores) else told


def _on_the_wire(item: QuoteItem, product: Goods, result: Quoted) -> QuotedItem:
    price = result.price
    return QuotedItem(
        product_id=item.product_id,
        vendor_store_id=item.vendor_store_id,
        quantity=result.quantity,
        title=product["title"],
        category=product["category"],
        strain=product["strain"],
        classification=product["classification"],
        unit=product["unit"],
        thumbnail=product["thumbnail_url"],
        moq=product["moq"],
        max_qty=product["max_qty"] or None,
        unit_price_cents=product["price_cents"] if result.status == "ok" else 0,
        effective_unit_price_cents=price.effective_unit_cents,
        discount_percent=price.tier.discount_percent if price.tier else 0,
        line_subtotal_cents=price.subtotal_cents,
        line_discounts_cents=price.discount_cents,
        line_total_cents=price.total_cents,
        applied_volume_discount=_applied(result),
        status=result.status,
        warnings=_warned(result.warnings),
    )


def _applied(result: Quoted) -> VolumeDiscount | None:
    tier = result.price.tier
    if tier is None:
        return None
    percent = f"{tier.discount_percent.normalize():f}"
    return VolumeDiscount(label=f"{percent}% off from {tier.min_qty}", amount_cents=result.price.discount_cents)


def _vendor(
    request: QuoteRequest,
    vendor_store_id: UUID,
    items: Sequence[QuotedItem],
    vendor: Standing | None,
    stores: Mapping[UUID, Standing],
) -> QuotedVendor:
    obstacle = obstacle_to_sell(
        vendor, buyer_store_id=request.buyer_store_id, buyer_state=_buyer_state(request, stores)
    )
    statuses = [item.status for item in items if item.vendor_store_id == vendor_store_id]
    status, warnings = group_status(statuses, obstacle)
    return QuotedVendor(
        vendor_store_id=vendor_store_id,
        vendor_store_name=vendor.name if vendor and not obstacle else "",
        status=status,
        warnings=_warned(warnings),
    )


def _warned(notices: Sequence[Notice]) -> list[Warned]:
    return [Warned(type=notice.type, message=notice.message) for notice in notices]
