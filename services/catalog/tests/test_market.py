"""What buyers find: the visibility gate, filters, sorts and pages (spec 4.2, 4.5)."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from kernel.scope import Actor, Kyc, StoreType


async def titles(store: Any, **query: Any) -> Any:
    response = await store.browses(sort="title", **query)
    assert response.status_code == 200, response.text
    return [product["title"] for product in response.json()["data"]["products"]]


async def test_a_buyer_finds_the_goods_of_visible_vendors_in_its_state(market: Any) -> None:
    buyer = await market.buyer()
    vendor = await market.vendor(dba_name="Green Leaf", logo_url="https://x/logo.png")
    product = await vendor.lists(title="Here")
    await (await market.vendor(state="TX")).lists(title="Elsewhere")

    (found,) = (await buyer.browses()).json()["data"]["products"]

    assert found["id"] == product["id"]
    assert found["vendor"] == {
        "vendor_store_id": str(vendor.store_id),
        "vendor_name": "Green Leaf",
        "logo_gcs_key": None,
        "logo_url": "https://x/logo.png",
    }
    assert set(found["inventory"]) == {"available_qty", "updated_at"}
    detail = (await buyer.owner.get(f"/api/v1/products/{product['id']}")).json()["data"]
    assert {name: detail[name] for name in found} == found
    assert (detail["strain"], detail["volume_discounts"], detail["feelings"]) == (None, [], ["happy"])


HIDING = [
    {"kyc_status": Kyc.PENDING_VERIFICATION},
    {"kyc_status": Kyc.REJECTED},
    {"kyc_status": Kyc.EXPIRED},
    {"kyc_status": Kyc.SUSPENDED},
    {"subscription_override": None},
    {"type": StoreType.BUYER},
    {"deleted": True},
]


async def test_hidden_vendor_is_404(market: Any) -> None:
    buyer = await market.buyer()
    for change in HIDING:
        vendor = await market.vendor()
        product = await vendor.lists()
        seen_before = await buyer.sees(product)

        await vendor.becomes(**change)

        assert (seen_before, await buyer.sees(product), await titles(buyer)) == (200, 404, []), change


async def test_a_vendor_that_becomes_visible_shows_what_it_listed_before(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor(kyc_status=Kyc.PENDING_VERIFICATION)
    product = await vendor.lists()
    hidden = await buyer.sees(product)

    await vendor.becomes(kyc_status=Kyc.VERIFIED)

    assert (hidden, await buyer.sees(product)) == (404, 200)


async def test_projection_ignores_older_version(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    stale = vendor.snapshot.model_copy(update={"kyc_status": Kyc.SUSPENDED})
    await vendor.becomes(company_name="Renamed")

    await market.world.hears(stale)

    assert await buyer.sees(product) == 200


async def test_after_a_restore_of_identity_versions_count_anew(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    for name in ("Second", "Third", "Fourth"):
        await vendor.becomes(company_name=name)
    restored = vendor.snapshot.model_copy(update={"version": 2, "kyc_status": Kyc.SUSPENDED})

    await market.world.hears(restored, epoch=2, baseline=True)
    hidden = await buyer.sees(product)
    await vendor.becomes(company_name="Said before the restore")

    assert (hidden, await buyer.sees(product)) == (404, 404)


async def test_an_answer_after_a_restore_counts_for_a_store_that_was_not_heard_of_since(market: Any) -> None:
    buyer, vendor, other = await market.buyer(), await market.vendor(), await market.vendor()
    product = await vendor.lists()
    for kyc_status in (Kyc.VERIFIED, Kyc.SUSPENDED):
        await vendor.becomes(kyc_status=kyc_status)
    await market.world.hears(other.snapshot, epoch=2, baseline=True)
    restored = vendor.snapshot.model_copy(update={"version": 2, "kyc_status": Kyc.VERIFIED})
    market.identity.stores[vendor.store_id] = restored

    answer = await market.checkout(buyer, (product, 1)).reserves()

    assert [line["reserved"] for line in answer["lines"]] == [True]
    assert market.identity.asked == [vendor.store_id]


async def test_inactive_products_and_ones_own_are_not_found(market: Any) -> None:
    vendor, other = await market.vendor(), await market.vendor()
    await vendor.lists(title="Own")
    await other.lists(title="Active")
    inactive = await other.lists(title="Inactive", is_active=False)

    assert await titles(vendor) == ["Active"]
    assert await vendor.sees(inactive) == 404


async def test_an_unverified_buyer_may_browse(market: Any) -> None:
    buyer = await market.buyer(kyc_status=Kyc.PENDING_VERIFICATION)
    await (await market.vendor()).lists(title="Seen")

    assert await titles(buyer) == ["Seen"]


async def test_the_state_is_required_and_must_be_the_buyers_own(market: Any) -> None:
    buyer = await market.buyer()

    missing = await buyer.owner.get("/api/v1/products")
    other = await buyer.browses(state="TX")

    assert (missing.status_code, missing.json()["error"]["details"]) == (400, {"state": "is required"})
    assert (other.status_code, other.json()["error"]["reason"]) == (422, "state_mismatch")


async def test_a_buyer_that_catalog_has_not_heard_of_is_asked_about_once(market: Any) -> None:
    buyer = await market.buyer(told=False)
    product = await (await market.vendor()).lists(title="Seen")
    market.identity.stores[buyer.store_id] = buyer.snapshot

    assert await titles(buyer) == ["Seen"]
    assert await buyer.sees(product) == 200
    assert market.identity.asked == [buyer.store_id]


async def test_an_unknown_buyer_is_503_while_identity_is_away(market: Any) -> None:
    buyer = await market.buyer(told=False)
    market.identity.away = True

    response = await buyer.browses()

    assert (response.status_code, response.json()["error"]["details"]) == (503, {"service": "identity"})


GOODS = {
    "alpha": {"category": "flower", "classification": "sativa", "price_cents": 100, "thc_percent": 10, "sku": "AAA-1"},
    "beta": {"category": "edible", "classification": "indica", "price_cents": 200, "cbd_percent": 5, "sku": "BBB-2"},
    "gamma": {"category": "flower", "price_cents": 300, "thc_percent": 25.5, "sku": "100%_3"},
}


FOUND = [
    ({}, "alpha beta gamma"),
    ({"category": "flower"}, "alpha gamma"),
    ({"classification": "indica"}, "beta"),
    ({"price_min_cents": 200}, "beta gamma"),
    ({"price_max_cents": 200}, "alpha beta"),
    ({"price_min_cents": 0, "price_max_cents": 100}, "alpha"),
    ({"thc_min": "25.5"}, "gamma"),
    ({"thc_max": "10"}, "alpha"),
    ({"cbd_min": 5, "cbd_max": 5}, "beta"),
    ({"has_promo": "true"}, "beta"),
    ({"has_promo": "false"}, "alpha gamma"),
    ({"q": "ALPH"}, "alpha"),
    ({"q": "bbb-"}, "beta"),
    ({"q": "a"}, "alpha beta gamma"),
    ({"q": "%"}, "gamma"),
    ({"q": "0%_"}, "gamma"),
    ({"q": "_"}, "gamma"),
    ({"q": "nothing"}, ""),
    ({"category": "flower", "q": "a", "thc_min": 11}, "gamma"),
    ({"unknown": "parameter"}, "alpha beta gamma"),
]


async def test_filters_find_what_they_name(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    for title, more in GOODS.items():
        tiers = [{"min_qty": 2, "discount_percent": 1}] if title == "beta" else []
        await vendor.lists(title=title, volume_discounts=tiers, **more)

    for query, expected in FOUND:
        assert await titles(buyer, **query) == expected.split(), query


async def test_goods_of_one_vendor_can_be_asked_for(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    await vendor.lists(title="Mine")
    await (await market.vendor()).lists(title="Other")

    assert await titles(buyer, vendor_store_id=str(vendor.store_id)) == ["Mine"]


async def test_deliverable_keeps_state_wide_vendors_and_those_whose_radius_reaches(market: Any) -> None:
    tulsa, norman = {"lat": 36.15, "lng": -95.99}, {"lat": 35.22, "lng": -97.44}
    buyer, nowhere = await market.buyer(**tulsa), await market.buyer()
    await (await market.vendor(**norman)).lists(title="state-wide")
    await (await market.vendor(delivery_radius_meters=20_000, **norman)).lists(title="too far")
    await (await market.vendor(delivery_radius_meters=20_000, **tulsa)).lists(title="near")

    assert await titles(buyer, deliverable="true") == ["near", "state-wide"]
    assert await titles(nowhere, deliverable="true") == ["state-wide"]


WRONG = [
    ({"limit": 0}, {"field": "limit", "min": 1, "max": 100}),
    ({"limit": 101}, {"field": "limit", "min": 1, "max": 100}),
    ({"thc_min": 101}, {"field": "thc_min", "min": 0, "max": 100}),
    ({"category": "Flower"}, {"category": "is invalid"}),
    ({"sort": "cheap"}, {"sort": "is invalid"}),
    ({"cursor": "nonsense"}, {"cursor": "is invalid"}),
    ({"vendor_store_id": "x"}, {"vendor_store_id": "is invalid"}),
]


async def test_a_query_that_cannot_be_is_refused_naming_the_field(market: Any) -> None:
    buyer = await market.buyer()

    for query, details in WRONG:
        response = await buyer.browses(**query)

        assert (response.status_code, response.json()["error"]["details"]) == (400, details), query


async def test_sorts_order_the_market(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    for title, price in (("a", 20), ("B", 10), ("c", 30)):
        await vendor.lists(title=title, price_cents=price)

    for sort, expected in (("newest", "c B a"), ("price_asc", "B a c"), ("price_desc", "c a B"), ("title", "a B c")):
        response = await buyer.browses(sort=sort)

        assert [product["title"] for product in response.json()["data"]["products"]] == expected.split(), sort


async def test_a_cursor_is_bound_to_its_sort_and_filters(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    for _ in range(3):
        await vendor.lists()
    cursor = (await buyer.browses(limit=1)).json()["data"]["pagination"]["next"]

    answers = [
        await buyer.browses(limit=1, cursor=cursor, sort="title"),
        await buyer.browses(limit=1, cursor=cursor, category="flower"),
        await vendor.owner.get("/api/v1/vendor/products", params={"cursor": cursor}),
        await buyer.browses(limit=2, cursor=cursor),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 400, 200]


async def walk(ask: Any, key: Any, *, between: Any = None) -> Any:
    """Every id of a list, ten at a time; `between` runs after each page."""
    found, cursor = [], None
    while True:
        query = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        data = (await ask(**query)).json()["data"]
        found += [item.get("id") or item["product"]["id"] for item in data[key]]
        cursor = data["pagination"]["next"]
        if cursor is None:
            return found
        if between:
            await between()


async def fill(market: Any, vendor: Any, count: Any) -> Any:
    """Products that share one creation time, price and title."""
    async with market.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        ids = [uuid4() for _ in range(count)]
        await tx.run(
            "insert into products (id, store_id, sku, title, category, feelings, flavors, usage, unit, moq, max_qty,"
            " price_cents, visible_in, created_at) select id, $2, id::text, 'Same', 'flower', '{happy}', '{citrus}',"
            " '{sleep}', 'unit', 1, 0, 100, 'OK', $3 from unnest($1::uuid[]) id",
            ids, vendor.store_id, datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        await tx.run(
            "insert into inventory_items (product_id, available_qty, low_stock_threshold)"
            " select id, 1, 0 from unnest($1::uuid[]) id",
            ids,
        )
    return {str(product_id) for product_id in ids}


async def test_paging_57_rows_by_10_same_timestamp_no_loss_no_repeat_while_inserting(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    there = await fill(market, vendor, 57)

    async def insert() -> None:
        await fill(market, vendor, 1)

    for name, key, ask in _lists(buyer, vendor):
        found = await walk(ask, key, between=insert)

        assert len(found) == len(set(found)), name
        assert there <= set(found), name


def _lists(buyer: Any, vendor: Any) -> Any:
    """Every list of products, in every order."""
    for sort in ("newest", "price_asc", "price_desc", "title"):
        yield f"market by {sort}", "products", partial(buyer.browses, sort=sort)
        yield f"vendor by {sort}", "products", partial(vendor.reads, "/api/v1/vendor/products", sort=sort)
    yield "inventory", "items", partial(vendor.reads, "/api/v1/inventory")


async def test_movements_page_without_loss_or_repeat(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists()
    async with market.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run(
            "insert into inventory_movements (product_id, kind, available_delta, reserved_delta, created_at)"
            " select $1, 'set', 0, 0, $2 from generate_series(1, 56)",
            UUID(product["id"]), datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip

    found = await walk(partial(vendor.reads, f"/api/v1/inventory/{product['id']}/movements"), "items")

    assert (len(found), len(set(found))) == (57, 57)


async def test_percentages_come_back_as_they_were_said(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists(thc_percent=0.1, volume_discounts=[{"min_qty": 2, "discount_percent": 33.3333}])

    detail = (await buyer.owner.get(f"/api/v1/products/{product['id']}")).json()["data"]

    assert Decimal(str(detail["thc_percent"])) == Decimal("0.1")
    assert Decimal(str(detail["volume_discounts"][0]["discount_percent"])) == Decimal("33.3333")
