"""A vendor decides line by line (spec 5.2, 12.7, 13)."""

from decimal import Decimal
from typing import Any

import pytest

from contracts.orders import OrderChanged, OrderDecided
from orders.api.schemas import OrderDetail

SHIPPING = {"code": "van", "title": "Van", "price_cents": 1000}


async def lines_of(buyer: Any, order: dict[str, Any]) -> dict[str, str]:
    """Line ids by product."""
    return {line["product_id"]: line["id"] for line in (await buyer.sees(order["order_id"]))["line_items"]}


async def test_partial_accept_lowers_total_balance_and_intent(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    dear = market.product(vendor, price_cents=1500, tiers={50: Decimal(5), 100: Decimal(10)})
    cheap = market.product(vendor, price_cents=333, tiers={3: Decimal("2.5")})
    order = await market.order(buyer, (dear, 60), (cheap, 3), tip_cents=100, shipping_line=SHIPPING)
    lines, seller = await lines_of(buyer, order), market.seller(vendor)
    assert order["total_cents"] == 85_500 + 974 + 100 + 1000

    first = await seller.decides_line(order["order_id"], lines[str(dear.id)], "reject", notes="No stock")
    second = await seller.decides_line(order["order_id"], lines[str(cheap.id)], "fulfill")

    assert first.json()["data"]["order"]["status"] == "created_pending", "a line still waits"
    detail = OrderDetail.model_validate(second.json()["data"])
    told = detail.order
    assert (told.status, told.version, told.total_items) == ("partially_accepted", 3, 1)
    assert (told.subtotal_cents, told.discounts_cents, told.tip_cents, told.shipping_cents) == (999, 25, 100, 1000)
    assert (told.total_cents, told.balance_due_cents) == (2_074, 2_074)
    by_product = {line.product_id: line for line in detail.line_items}
    refused = by_product[dear.id]
    assert (refused.unit_price_cents, refused.quantity, refused.total_cents) == (1500, 60, 0)
    assert (refused.status, refused.notes, by_product[cheap.id].status) == ("rejected", "No stock", "accepted")
    last = (await market.world.emitted(OrderChanged))[-1]
    assert (last.version, last.total_cents, last.balance_due_cents) == (3, 2_074, 2_074), "what finance is told"


async def test_each_line_gives_its_stock_back_once(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    first, second = market.product(vendor), market.product(vendor)
    order = await market.order(buyer, (first, 2), (second, 3))
    lines, seller = await lines_of(buyer, order), market.seller(vendor)

    await seller.decides_line(order["order_id"], lines[str(first.id)], "reject")
    await seller.decides(order["order_id"], "reject")

    told = [
        (one.scope, one.decision, [str(line) for line in one.rejected_line_ids])
        for one in await market.world.emitted(OrderDecided)
    ]
    assert told == [("line", "reject", [lines[str(first.id)]]), ("order", "reject", [lines[str(second.id)]])]


async def test_all_lines_rejected_is_rejected(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    first, second = market.product(vendor), market.product(vendor)
    order = await market.order(buyer, (first, 2), (second, 3), tip_cents=9, shipping_line=SHIPPING)
    lines, seller = await lines_of(buyer, order), market.seller(vendor)

    await seller.decides(order["order_id"], "accept")
    one_left = await seller.decides_line(order["order_id"], lines[str(first.id)], "rejected")
    none_left = await seller.decides_line(order["order_id"], lines[str(second.id)], "rejected")

    assert one_left.json()["data"]["order"]["status"] == "partially_accepted"
    detail = OrderDetail.model_validate(none_left.json()["data"])
    amounts = {name: value for name, value in detail.order.model_dump().items() if name.endswith("_cents")}
    assert (detail.order.status, set(amounts.values()), detail.order.total_items) == ("rejected", {0}, 0)
    assert detail.order.shipping_line is not None
    assert detail.order.shipping_line.price_cents == 0


async def test_what_was_refused_at_checkout_counts_among_the_rejected(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    kept, gone = market.product(vendor), market.product(vendor, available=0)
    order = await market.order(buyer, (kept, 1), (gone, 1))
    lines = await lines_of(buyer, order)

    answer = await market.seller(vendor).decides_line(order["order_id"], lines[str(kept.id)], "accept")

    assert answer.json()["data"]["order"]["status"] == "partially_accepted"


async def test_the_same_word_on_a_line_changes_nothing_and_a_rejected_line_stays_so(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    other = market.product(flower.vendor)
    order = await market.order(buyer, (flower, 1), (other, 1))
    lines, seller = await lines_of(buyer, order), market.seller(flower.vendor)
    line = lines[str(flower.id)]

    first = await seller.decides_line(order["order_id"], line, "reject")
    again = await seller.decides_line(order["order_id"], line, "reject", notes="Again")
    back = await seller.decides_line(order["order_id"], line, "accept")

    assert (again.status_code, again.json()["data"]) == (200, first.json()["data"])
    assert (back.status_code, back.json()["error"]["details"]) == (422, {"from": "rejected", "action": "accept"})
    assert len(await market.world.emitted(OrderDecided)) == 1


async def test_a_line_is_found_only_in_its_own_order(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, other = await market.order(buyer, (flower, 1)), await market.order(buyer, (flower, 1))
    [line] = (await lines_of(buyer, other)).values()
    seller, rival = market.seller(flower.vendor), market.seller(market.vendor())

    answers = [
        await seller.decides_line(order["order_id"], line, "accept"),
        await rival.decides_line(other["order_id"], line, "accept"),
        await buyer.decides_line(other["order_id"], line, "accept"),
        await seller.decides_line(other["order_id"], line, "Accept"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 403, 400]


@pytest.mark.parametrize("decision", ["accept", "reject"])
async def test_no_line_is_decided_once_the_order_is_packed(market: Any, buyer: Any, decision: str) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    [line] = (await lines_of(buyer, order)).values()
    await seller.decides(order["order_id"], "accept")
    await seller.fulfills(order["order_id"])

    answer = await seller.decides_line(order["order_id"], line, decision)

    assert (answer.status_code, answer.json()["error"]["details"]) == (422, {"from": "hold", "action": decision})
