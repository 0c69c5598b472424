"""A vendor's products and stock, through the doors (spec 4.2)."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from contracts.catalog import ProductChanged
from kernel.scope import Role

PRODUCTS = "/api/v1/vendor/products"


async def test_a_product_is_created_with_everything_said_about_it(market: Any) -> None:
    vendor = await market.vendor()

    product = await vendor.lists(
        sku="BD-1", thc_percent=22.5, body_html="<p>Hi</p><script>x()</script>", volume_discounts=[
            {"min_qty": 50, "discount_percent": 5.125}, {"min_qty": 10, "discount_percent": 2},
        ],
    )  # fmt: skip

    assert product["sku"] == "BD-1"
    assert (product["thc_percent"], product["cbd_percent"]) == (22.5, None)
    assert product["body_html"] == "<p>Hi</p>"
    assert [(t["min_qty"], t["discount_percent"]) for t in product["volume_discounts"]] == [(10, 2), (50, 5.125)]
    assert product["has_promo"] is True
    assert product["inventory"]["available_qty"] == 10
    assert (product["coa_added"], product["coa_media_id"], product["coa_read_url"]) == (False, None, None)
    (said,) = await market.world.emitted(ProductChanged)
    assert (str(said.product_id), said.version, said.in_stock, said.deleted) == (product["id"], 1, True, False)


IMPOSSIBLE = [
    ({"category": "car"}, "category"),
    ({"feelings": []}, "feelings"),
    ({"feelings": ["happy", "happy"]}, "feelings"),
    ({"flavors": ["sour"]}, "flavors.0"),
    ({"usage": ["sleep", "fun"]}, "usage.1"),
    ({"unit": "bag"}, "unit"),
    ({"moq": 0}, "moq"),
    ({"moq": 5, "max_qty": 4}, "max_qty"),
    ({"price_cents": -1}, "price_cents"),
    ({"price_cents": 15.5}, "price_cents"),
    ({"thc_percent": 101}, "thc_percent"),
    ({"cbd_percent": 1.234}, "cbd_percent"),
    ({"inventory": {"available_qty": -1}}, "inventory.available_qty"),
    ({"inventory": {"available_qty": 1, "reserved_qty": 1}}, "inventory.reserved_qty"),
    ({"media_ids": []}, "media_ids"),
    ({"media_ids": ["no-uuid"]}, "media_ids.0"),
    ({"coa_media_id": "no-uuid"}, "coa_media_id"),
    ({"volume_discounts": [{"min_qty": 2, "discount_percent": 5}] * 2}, "volume_discounts"),
    ({"volume_discounts": [{"min_qty": 2, "discount_percent": 101}]}, "volume_discounts.0.discount_percent"),
    ({"stock": 1}, "stock"),
]


async def test_a_product_that_cannot_be_is_refused_naming_the_field(market: Any) -> None:
    vendor = await market.vendor()

    for changes, field in IMPOSSIBLE:
        response = await vendor.owner.post(PRODUCTS, await vendor.offer(**changes))

        assert response.status_code == 400, (changes, response.text)
        assert field in response.json()["error"]["details"], (changes, response.text)
    assert await market.rows("select 1 from products") == []


async def test_zero_price_and_zero_stock_accepted(market: Any) -> None:
    vendor = await market.vendor()

    product = await vendor.lists(price_cents=0, inventory={"available_qty": 0, "low_stock_threshold": 0})

    assert (product["price_cents"], product["inventory"]["available_qty"]) == (0, 0)


async def test_sku_unique_per_store(market: Any) -> None:
    vendor, other = await market.vendor(), await market.vendor()
    first = await vendor.lists(sku="ONE")
    second = await vendor.lists(sku="TWO")

    again = await vendor.owner.post(PRODUCTS, await vendor.offer(sku="ONE"))
    renamed = await vendor.owner.patch(f"{PRODUCTS}/{second['id']}", {"sku": "ONE"})
    elsewhere = await other.owner.post(PRODUCTS, await other.offer(sku="ONE"))
    await vendor.owner.delete(f"{PRODUCTS}/{first['id']}")
    after_delete = await vendor.owner.post(PRODUCTS, await vendor.offer(sku="ONE"))

    assert [again.status_code, renamed.status_code] == [409, 409]
    assert again.json()["error"]["reason"] == "duplicate"
    assert again.json()["error"]["details"] == {"field": "sku"}
    assert [elsewhere.status_code, after_delete.status_code] == [201, 201]


async def test_a_change_sets_what_it_names_and_nothing_else(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists(
        subtitle="Old", strain="Haze", volume_discounts=[{"min_qty": 5, "discount_percent": 1}]
    )

    response = await vendor.owner.patch(
        f"{PRODUCTS}/{product['id']}",
        {"title": "New", "subtitle": None, "volume_discounts": [{"min_qty": 9, "discount_percent": 3}]},
    )

    changed = response.json()["data"]
    assert (changed["title"], changed["subtitle"], changed["strain"]) == ("New", None, "Haze")
    assert [tier["min_qty"] for tier in changed["volume_discounts"]] == [9]
    said = (await market.world.emitted(ProductChanged))[-1]
    assert (said.version, said.title) == (2, "New")


async def test_a_change_of_what_is_set_elsewhere_or_may_not_be_missing_is_refused(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()

    for body in ({"media_ids": []}, {"inventory": {"available_qty": 1}}, {"title": None}, {"moq": 0}):
        response = await vendor.owner.patch(f"{PRODUCTS}/{product['id']}", body)

        assert response.status_code == 400, body


async def test_a_change_is_judged_together_with_what_is_there(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists(moq=5)

    response = await vendor.owner.patch(f"{PRODUCTS}/{product['id']}", {"max_qty": 3})

    assert (response.status_code, list(response.json()["error"]["details"])) == (400, ["max_qty"])


async def test_another_stores_product_is_the_same_404_as_none(market: Any) -> None:
    vendor, other = await market.vendor(), await market.vendor()
    product = await vendor.lists()
    paths = [f"{PRODUCTS}/{product['id']}", f"{PRODUCTS}/{uuid4()}"]

    answers = [await other.owner.patch(path, {"title": "Mine"}) for path in paths]
    answers += [await other.owner.delete(path) for path in paths]
    answers += [await other.owner.get(path) for path in paths]
    answers += [await other.sets_stock({"id": path.rpartition("/")[2]}, 5) for path in paths]
    answers += [await other.owner.get(f"/api/v1/inventory/{path.rpartition('/')[2]}/movements") for path in paths]

    told = {(a.status_code, a.json()["error"]["code"], a.json()["error"]["message"]) for a in answers}
    assert told == {(404, "NOT_FOUND", "resource not found")}


async def test_a_deleted_product_is_hidden_at_once_and_told_as_a_tombstone(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await vendor.lists()

    response = await vendor.owner.delete(f"{PRODUCTS}/{product['id']}")

    assert (response.status_code, response.content) == (204, b"")
    assert await buyer.sees(product) == 404
    assert (await vendor.owner.get(f"{PRODUCTS}/{product['id']}")).status_code == 404
    assert (await market.world.emitted(ProductChanged))[-1].deleted is True
    assert (await vendor.owner.delete(f"{PRODUCTS}/{product['id']}")).status_code == 404


async def test_only_those_who_sell_may_create_products(market: Any) -> None:
    vendor = await market.vendor()

    for role, status in ((Role.OWNER, 201), (Role.OPS, 201), (Role.STAFF, 403), (Role.VIEWER, 403)):
        response = await vendor.acting(role).post(PRODUCTS, await vendor.offer())

        assert response.status_code == status, role


async def test_a_buyer_store_sells_nothing(market: Any) -> None:
    buyer = await market.buyer()

    assert (await buyer.owner.post(PRODUCTS, await buyer.offer())).status_code == 403


async def test_one_key_makes_one_product(market: Any) -> None:
    vendor = await market.vendor()
    body = await vendor.offer()

    answers = [await vendor.owner.post(PRODUCTS, body, key="once") for _ in range(2)]

    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(await market.rows("select 1 from products")) == 1


async def test_the_vendors_list_shows_inactive_products_too(market: Any) -> None:
    vendor = await market.vendor()
    await vendor.lists(title="On")
    await vendor.lists(title="Off", is_active=False)

    answer = await vendor.acting(Role.VIEWER).get(PRODUCTS, params={"sort": "title", "with_total": "true"})

    assert [p["title"] for p in answer.json()["data"]["products"]] == ["Off", "On"]
    assert answer.json()["data"]["pagination"] == {"next": None, "total": 2}
    assert answer.json()["data"]["products"][0]["inventory"]["reserved_qty"] == 0


async def test_what_a_vendor_does_leaves_one_audit_row_with_old_and_new(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists(title="Old")
    await vendor.owner.patch(f"{PRODUCTS}/{product['id']}", {"title": "New"})
    await vendor.sets_stock(product, 3)
    await vendor.owner.delete(f"{PRODUCTS}/{product['id']}")

    rows = await market.rows("select action, actor_user_id, payload from audit_logs order by seq")

    assert [row["action"] for row in rows] == ["product.create", "product.update", "inventory.set", "product.delete"]
    assert {row["actor_user_id"] for row in rows} == {vendor.user_id}
    assert rows[1]["payload"] == {"old": {"title": "Old"}, "new": {"title": "New"}}
    assert (rows[2]["payload"]["old"]["available_qty"], rows[2]["payload"]["new"]["available_qty"]) == (10, 3)


async def test_inventory_set_needs_a_key(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()

    response = await vendor.owner.put(f"/api/v1/inventory/{product['id']}", {"available_qty": 5})

    assert (response.status_code, list(response.json()["error"]["details"])) == (400, ["Idempotency-Key"])


async def test_the_vendor_sets_what_may_still_be_sold(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()

    answer = await vendor.sets_stock(product, 25, low_stock_threshold=30)

    stock = answer.json()["data"]
    assert (stock["available_qty"], stock["reserved_qty"], stock["low_stock_threshold"], stock["version"]) == (
        25,
        0,
        30,
        2,
    )
    assert (await vendor.sets_stock(product, 5, reserved_qty=1)).status_code == 400


async def test_set_below_reserved_is_legal(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await vendor.lists()
    await market.checkout(buyer, (product, 8)).reserves()

    answer = await vendor.sets_stock(product, 0)

    assert answer.status_code == 200
    assert await market.stock(product) == (0, 8)


async def test_parallel_inventory_sets_no_lost_update(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()

    answers = await asyncio.gather(*(vendor.sets_stock(product, n, expected_version=1) for n in range(20, 28)))

    assert sorted(a.status_code for a in answers) == [200] + [409] * 7
    losers = [a for a in answers if a.status_code == 409]
    assert {a.json()["error"]["reason"] for a in losers} == {"version_mismatch"}
    winner = next(a for a in answers if a.status_code == 200)
    assert (await market.stock(product))[0] == winner.json()["data"]["available_qty"]


async def test_product_changed_is_said_when_stock_crosses_zero_and_only_then(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await vendor.lists()
    await vendor.sets_stock(product, 4)
    await vendor.sets_stock(product, 0)
    await vendor.sets_stock(product, 5)
    checkout = market.checkout(buyer, (product, 5))
    await checkout.reserves()
    await market.world.hears(checkout.aborted())

    said = await market.world.emitted(ProductChanged)

    assert [(event.version, event.in_stock) for event in said] == [
        (1, True),
        (2, False),
        (3, True),
        (4, False),
        (5, True),
    ]


async def test_the_inventory_list_finds_what_runs_low(market: Any) -> None:
    vendor = await market.vendor()
    low = await vendor.lists(inventory={"available_qty": 2, "low_stock_threshold": 5})
    await vendor.lists(inventory={"available_qty": 9, "low_stock_threshold": 5})

    every = await vendor.owner.get("/api/v1/inventory")
    few = await vendor.owner.get("/api/v1/inventory", params={"low_stock": "true"})

    assert len(every.json()["data"]["items"]) == 2
    (item,) = few.json()["data"]["items"]
    assert (item["product"]["id"], item["available_qty"], item["low_stock_threshold"]) == (low["id"], 2, 5)


async def test_movements_tell_the_whole_history_of_a_product(market: Any) -> None:
    vendor, buyer = await market.vendor(), await market.buyer()
    product = await vendor.lists()
    checkout, order_id = market.checkout(buyer, (product, 3)), uuid4()
    await checkout.reserves()
    await market.world.hears(checkout.created(order_id))
    await market.world.hears(checkout.decided(order_id, checkout.line_ids))
    await vendor.sets_stock(product, 7)

    answer = await vendor.owner.get(f"/api/v1/inventory/{product['id']}/movements")

    items = answer.json()["data"]["items"]
    assert [(m["kind"], m["available_delta"], m["reserved_delta"]) for m in items] == [
        ("set", -3, 0), ("release", 3, -3), ("reserve", -3, 3), ("initial", 10, 0),
    ]  # fmt: skip
    assert [m["order_id"] for m in items] == [None, str(order_id), str(order_id), None]
    assert items[0]["actor_user_id"] == str(vendor.user_id)


async def test_movements_cannot_be_changed_or_removed(market: Any) -> None:
    vendor = await market.vendor()
    await vendor.lists()

    for statement in ("update inventory_movements set available_delta = 1", "delete from inventory_movements"):
        with pytest.raises(Exception, match=r"dependency unavailable|DEPENDENCY"):
            await market.rows(statement)
