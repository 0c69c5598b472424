"""What a cart tells of its quote: every warning, and what each does to the sums (spec 4.4, 5.1, 5.4)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from kernel.scope import StoreType


def told(cart: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Status and warnings of each item, by product."""
    return {
        item["product_id"]: (item["status"], [warning["type"] for warning in item["warnings"]])
        for item in cart["items"]
    }


async def test_every_warning_of_a_quote_stands_in_the_cart(market: Any, buyer: Any) -> None:
    vendor, other, hidden = market.vendor("Green"), market.vendor("Red"), market.vendor("Gone")
    hidden.hidden = True
    small, big = market.product(vendor, moq=10), market.product(vendor, max_qty=5)
    scarce, dull = market.product(vendor, available=1), market.product(vendor, active=False)
    unseen, misnamed = market.product(hidden), market.product(other)
    dearer = market.product(vendor)
    wanted = {
        small.id: (vendor.id, 3),
        big.id: (vendor.id, 9),
        scarce.id: (vendor.id, 2),
        dull.id: (vendor.id, 1),
        unseen.id: (hidden.id, 1),
        misnamed.id: (vendor.id, 1),
        dearer.id: (vendor.id, 1),
    }
    await buyer.fills_cart(wanted)
    dearer.price_cents = 1_700

    answer = await buyer.fills_cart(wanted, vendor_promos=[{"vendor_store_id": str(vendor.id), "code": "SPRING"}])

    cart = answer.json()["data"]
    assert told(cart) == {
        str(small.id): ("ok", ["clamped_to_moq"]),
        str(big.id): ("ok", ["clamped_to_max"]),
        str(scarce.id): ("not_available", ["not_available"]),
        str(dull.id): ("not_available", ["not_available"]),
        str(unseen.id): ("invalid", ["vendor_invalid"]),
        str(misnamed.id): ("invalid", ["vendor_mismatch"]),
        str(dearer.id): ("ok", ["price_changed"]),
    }
    groups = {group["vendor_store_id"]: group for group in cart["vendor_groups"]}
    assert [warning["type"] for warning in groups[str(vendor.id)]["warnings"]] == ["invalid_promo"]
    assert (groups[str(hidden.id)]["status"], groups[str(hidden.id)]["total_cents"]) == ("invalid", 0)
    expected = 10 * 1500 + 5 * 1500 + 1_700
    assert groups[str(vendor.id)]["total_cents"] == cart["total_cents"] == expected


async def test_the_sums_of_a_cart_are_those_of_its_groups_and_theirs_those_of_ok_items(market: Any, buyer: Any) -> None:
    first, second = market.vendor(), market.vendor()
    cart = await buyer.wants(
        (market.product(first, price_cents=333, tiers={3: Decimal("2.5")}), 3),
        (market.product(first, price_cents=999, available=0), 1),
        (market.product(second, price_cents=1525, tiers={50: Decimal(5)}), 60),
    )
    for group in cart["vendor_groups"]:
        items = [one for one in cart["items"] if one["vendor_store_id"] == group["vendor_store_id"]]
        counted = [one for one in items if one["status"] == "ok"]
        assert group["subtotal_cents"] == sum(one["line_subtotal_cents"] for one in counted)
        assert group["discounts_cents"] == sum(one["line_discounts_cents"] for one in counted)
        assert group["total_cents"] == group["subtotal_cents"] - group["discounts_cents"]
    for name in ("subtotal_cents", "discounts_cents", "total_cents"):
        assert cart[name] == sum(group[name] for group in cart["vendor_groups"])
    assert cart["total_cents"] == 974 + 86_925


async def test_vendor_cannot_buy_own_product(market: Any) -> None:
    vendor, other = market.vendor("Green"), market.vendor("Red")
    own, foreign = market.product(vendor), market.product(other)
    seller = market.seller(vendor)

    cart = await seller.wants((own, 1), (foreign, 2))
    checkout = await seller.checks_out(cart["id"])
    alone = await seller.wants((own, 1))
    refused = await seller.checks_out(alone["id"])

    assert told(cart)[str(own.id)] == ("invalid", ["vendor_invalid"])
    data = checkout.json()["data"]
    assert [order["vendor_store_id"] for order in data["vendor_orders"]] == [str(other.id)]
    assert [rejected["vendor_store_id"] for rejected in data["rejected_vendors"]] == [str(vendor.id)]
    assert (refused.status_code, refused.json()["error"]["reason"]) == (409, "nothing_reservable")


async def test_a_vendor_buys_decides_what_it_sold_and_cancels_what_it_bought(market: Any, buyer: Any) -> None:
    green, red = market.vendor("Green"), market.vendor("Red")
    trader = market.seller(green)
    sold = await market.order(buyer, (market.product(green), 1))
    bought = await market.order(trader, (market.product(red), 1))

    answers = [
        await trader.decides(sold["order_id"], "accept"),
        await trader.decides(bought["order_id"], "accept"),
        await trader.cancels(sold["order_id"]),
        await trader.nudges(bought["order_id"]),
        await trader.cancels(bought["order_id"]),
    ]

    assert [answer.status_code for answer in answers] == [200, 403, 403, 202, 200]
    sides = [(await trader.sees(order["order_id"]))["order"] for order in (sold, bought)]
    assert ["internal_notes" in side for side in sides] == [True, False]


async def test_a_cart_is_extended_by_each_upsert_and_gone_once_cleared(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    first = await buyer.wants((flower, 1))
    market.world.clock.turn(timedelta(minutes=14))
    second = await buyer.wants((flower, 1))
    assert second["id"] == first["id"]
    assert second["valid_until"] > first["valid_until"]
    assert (await buyer.caller.delete("/api/v1/cart")).status_code == 204
    assert (await buyer.caller.get("/api/v1/cart")).status_code == 404
    assert (await buyer.caller.delete("/api/v1/cart")).status_code == 404


@pytest.mark.parametrize("kind", StoreType)
async def test_each_store_has_a_cart_of_its_own_and_one_only(market: Any, kind: StoreType) -> None:
    flower = market.product(market.vendor())
    mine, theirs = market.member(store_type=kind), market.member(store_type=kind)
    cart, other = await mine.wants((flower, 1)), await theirs.wants((flower, 2))
    assert cart["id"] != other["id"]
    assert (await theirs.checks_out(cart["id"])).status_code == 404
    async with market.world.db.reader() as db:
        assert await db.fetchval("select count(*) from cart_records where buyer_store_id = $1", mine.store_id) == 1


async def test_a_product_that_never_existed_fails_the_whole_quote_and_leaves_the_cart(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    answer = await buyer.fills_cart({flower.id: (flower.vendor.id, 2), uuid4(): (UUID(int=1), 1)})
    assert answer.status_code == 404
    assert (await buyer.caller.get("/api/v1/cart")).json()["data"] == cart
