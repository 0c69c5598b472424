"""Prices of a cart (spec 4.4, 12.5)."""

from typing import Any
from uuid import uuid4

from kernel.scope import Kyc


async def quote(market: Any, buyer: Any, *wanted: Any) -> Any:
    items = [
        {
            "product_id": product["id"],
            "vendor_store_id": str(vendor or product["vendor_store_id"]),
            "quantity": quantity,
        }
        for product, quantity, vendor in ((*one, None)[:3] for one in wanted)
    ]
    return await market.orders.post("/internal/v1/quotes", {"buyer_store_id": str(buyer.store_id), "items": items})


async def items_of(market: Any, buyer: Any, *wanted: Any) -> Any:
    response = await quote(market, buyer, *wanted)
    assert response.status_code == 200, response.text
    return response.json()["data"]["items"], response.json()["data"]["vendors"]


async def test_a_cart_is_priced_with_the_tier_its_quantity_reaches(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor(dba_name="Green Leaf")
    tiers = [{"min_qty": 50, "discount_percent": 5}, {"min_qty": 100, "discount_percent": 10}]
    product = await vendor.lists(price_cents=1525, volume_discounts=tiers, inventory={"available_qty": 500})

    (item,), (group,) = await items_of(market, buyer, (product, 60))

    assert (item["status"], item["line_subtotal_cents"], item["line_discounts_cents"]) == ("ok", 91_500, 4_575)
    assert (item["line_total_cents"], item["effective_unit_price_cents"], item["unit_price_cents"]) == (
        86_925,
        1449,
        1525,
    )
    assert item["applied_volume_discount"] == {"label": "5% off from 50", "amount_cents": 4_575}
    assert group == {
        "vendor_store_id": str(vendor.store_id), "vendor_store_name": "Green Leaf", "status": "ok", "warnings": [],
    }  # fmt: skip
    assert await market.stock(product) == (500, 0)


async def test_an_item_shows_its_products_thumbnail(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    hidden = await vendor.lists()
    await vendor.owner.delete(f"/api/v1/vendor/products/{hidden['id']}")

    items, _ = await items_of(market, buyer, (product, 1), (hidden, 1))

    assert [item["thumbnail"] for item in items] == [product["media"][0]["url"], None]


async def test_moq_and_max_in_quote_and_reserve(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    small = await vendor.lists(moq=5, title="Small")
    large = await vendor.lists(max_qty=3, title="Large")

    (raised, lowered), _ = await items_of(market, buyer, (small, 2), (large, 9))
    answer = await market.checkout(buyer, (small, 2), (large, 9)).reserves()

    assert (raised["quantity"], [w["type"] for w in raised["warnings"]]) == (5, ["clamped_to_moq"])
    assert (lowered["quantity"], [w["type"] for w in lowered["warnings"]]) == (3, ["clamped_to_max"])
    assert (answer["outcome"], answer["lines"]) == ("violated", [])
    told = [(v["product_name"], v["required_qty"], v["requested_qty"]) for v in answer["violations"]]
    assert told == [("Small", 5, 2), ("Large", 3, 9)]
    assert await market.stock(small) == (10, 0)
    assert await market.rows("select 1 from checkouts") == []


async def test_one_bad_item_or_vendor_does_not_fail_the_others(market: Any) -> None:
    buyer, good, hidden = await market.buyer(), await market.vendor(), await market.vendor()
    fine, scarce = await good.lists(), await good.lists(inventory={"available_qty": 1})
    gone, idle = await good.lists(), await good.lists(is_active=False)
    unseen = await hidden.lists()
    await good.owner.delete(f"/api/v1/vendor/products/{gone['id']}")
    await hidden.becomes(kyc_status=Kyc.EXPIRED)

    items, groups = await items_of(
        market, buyer, (fine, 1), (scarce, 2), (gone, 1), (idle, 1), (fine, 1, hidden.store_id), (unseen, 1)
    )

    assert [(item["status"], [w["type"] for w in item["warnings"]]) for item in items] == [
        ("ok", []),
        ("not_available", ["not_available"]),
        ("not_available", ["not_available"]),
        ("not_available", ["not_available"]),
        ("invalid", ["vendor_mismatch"]),
        ("invalid", ["vendor_invalid"]),
    ]
    told = [(group["status"], [w["type"] for w in group["warnings"]]) for group in groups]
    assert told == [("ok", []), ("invalid", ["license_invalid"])]


async def test_the_group_says_why_its_vendor_cannot_sell(market: Any) -> None:
    buyer = await market.buyer()
    changes = [
        {"kyc_status": Kyc.SUSPENDED},
        {"kyc_status": Kyc.PENDING_VERIFICATION},
        {"kyc_status": Kyc.REJECTED},
        {"kyc_status": Kyc.EXPIRED},
        {"subscription_override": None},
    ]
    vendors = [await market.vendor() for _ in changes] + [await market.vendor(state="TX")]
    goods = [await vendor.lists() for vendor in vendors]
    for vendor, change in zip(vendors, changes, strict=False):
        await vendor.becomes(**change)

    _, groups = await items_of(market, buyer, *((product, 1) for product in goods))

    assert [group["warnings"][0]["type"] for group in groups] == [
        "vendor_suspended", "license_invalid", "license_invalid", "license_invalid", "vendor_invalid", "vendor_invalid",
    ]  # fmt: skip


async def test_a_hidden_vendors_product_in_a_cart_says_nothing_of_itself(market: Any) -> None:
    buyer, hidden = await market.buyer(), await market.vendor(dba_name="Gone Away")
    product = await hidden.lists(title="Secret", strain="Secret")
    await hidden.becomes(subscription_override=None)

    (item,), (group,) = await items_of(market, buyer, (product, 1))

    assert (item["title"], item["strain"], item["category"], item["unit"], item["moq"]) == ("", None, "", "", 0)
    assert group["vendor_store_name"] == ""


async def test_an_id_alone_tells_neither_whose_product_nor_whose_store_it_is(market: Any) -> None:
    buyer, vendor, hidden = await market.buyer(), await market.vendor(), await market.vendor()
    fine, unseen = await vendor.lists(), await hidden.lists()
    await hidden.becomes(kyc_status=Kyc.SUSPENDED)

    _, (of_a_buyer,) = await items_of(market, buyer, (fine, 1, (await market.buyer()).store_id))
    _, (of_nobody,) = await items_of(market, buyer, (fine, 1, uuid4()))
    _, (of_a_hidden_vendor,) = await items_of(market, buyer, (fine, 1, hidden.store_id))

    told = [{**group, "vendor_store_id": None} for group in (of_a_buyer, of_nobody, of_a_hidden_vendor)]
    assert told[0] == told[1] == told[2]
    assert (await quote(market, buyer, (unseen, 1, vendor.store_id))).status_code == 404


async def test_ones_own_products_cannot_be_bought(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()

    (item,), _ = await items_of(market, vendor, (product, 1))
    answer = await market.checkout(vendor, (product, 1)).reserves()

    assert (item["status"], item["warnings"][0]["type"]) == ("invalid", "vendor_invalid")
    assert (answer["lines"][0]["reserved"], answer["lines"][0]["reason"]) == (False, "vendor_hidden")


async def test_a_product_that_never_existed_makes_the_quote_404(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    ghost = {"id": str(uuid4()), "vendor_store_id": str(vendor.store_id)}

    assert (await quote(market, buyer, (await vendor.lists(), 1), (ghost, 1))).status_code == 404


async def test_identity_is_asked_before_a_vendor_is_refused_and_its_answer_counts(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    await vendor.becomes(kyc_status=Kyc.EXPIRED)
    newest = vendor.snapshot.model_copy(update={"version": 9, "kyc_status": Kyc.VERIFIED})
    market.identity.stores[vendor.store_id] = newest

    (item,), _ = await items_of(market, buyer, (product, 1))

    assert (item["status"], market.identity.asked) == ("ok", [vendor.store_id])
    assert await buyer.sees(product) == 200


async def test_a_quote_is_503_when_identity_cannot_confirm_a_refusal(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor(kyc_status=Kyc.EXPIRED)
    product = await vendor.lists()
    market.identity.away = True

    response = await quote(market, buyer, (product, 1))

    assert (response.status_code, response.json()["error"]["details"]) == (503, {"service": "identity"})


async def test_only_orders_may_ask_for_prices(market: Any) -> None:
    buyer = await market.buyer()

    answer = await market.world.service_caller("identity").post("/internal/v1/quotes", {})
    public = await buyer.owner.post("/internal/v1/quotes", {})

    assert (answer.status_code, public.status_code) == (403, 401)
