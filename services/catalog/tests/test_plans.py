"""The plans of the hot queries on 10,000 products of 100 vendors: an index, no scan, no sort but for a search."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from catalog.queries import market as market_queries
from catalog.queries import vendor as vendor_queries
from catalog.queries.listing import SORTS, Conditions, Filters, page_statement
from catalog.queries.quotes import GOODS
from catalog.queries.shapes import SUMMARY, VENDOR_SUMMARY
from catalog.repo.gate import visible
from catalog.repo.media import DROP_CERTIFICATES, DROP_PICTURES, REVIEW, USERS
from catalog.repo.media import KEEP as KEEP_MEDIUM
from catalog.repo.reservations import RESERVE
from catalog.repo.stores import KEEP as KEEP_STORE
from kernel.scope import Actor

VENDORS, PRODUCTS = 100, 10_000
FILL = f"""
insert into stores (store_id, version, type, company_name, kyc_status, subscription_override, state,
                    delivery_radius_meters)
select gen_random_uuid(), 1, 'vendor', 'Vendor ' || n, 'verified', case when n % 20 > 0 then 'active' end, 'OK', 0
  from generate_series(1, {VENDORS}) n
union all
select gen_random_uuid(), 1, 'buyer', 'Buyer ' || n, 'verified', null, 'OK', 0 from generate_series(1, 400) n;
with vendors as (select array_agg(store_id order by store_id) as ids from stores where type = 'vendor')
insert into products (id, store_id, sku, title, category, feelings, flavors, usage, classification, unit, moq, max_qty,
                      price_cents, thc_percent, is_active, created_at)
select gen_random_uuid(), ids[1 + n % {VENDORS}], 'SKU-' || n,
       words[1 + n % 6] || ' ' || words[1 + n / 6 % 6] || ' ' || n, categories[1 + n % 12], '{{happy}}',
       '{{citrus}}', '{{sleep}}', case when n % 2 = 0 then 'indica' end, 'unit', 1, 0, n * 7919 % 10000, n % 30,
       n % 20 > 0, now() - n * interval '1 minute'
  from vendors, generate_series(1, {PRODUCTS}) n,
       (select array['Blue', 'Golden', 'Sour', 'Haze', 'Kush', 'Diesel'] as words) w,
       (select array['flower', 'cart', 'pre_roll', 'edible', 'concentrate', 'beverage',
                     'vape', 'topical', 'tincture', 'seed', 'seedling', 'accessory'] as categories) c;
update products p set visible_in = s.state from stores s where s.store_id = p.store_id and s.is_visible;
insert into inventory_items (product_id, available_qty, low_stock_threshold) select id, 100, 10 from products;
insert into product_volume_discounts (store_id, product_id, min_qty, discount_percent)
select store_id, id, 10, 5 from products where id::text < '4';
insert into media (media_id, store_id, kind, status, mime_type, gcs_key, public_url)
select gen_random_uuid(), store_id, 'product', 'uploaded', 'image/png', id::text, 'https://public.test/' || id
  from products;
insert into product_media (id, product_id, media_id, url, gcs_key, position)
select gen_random_uuid(), gcs_key::uuid, media_id, public_url, gcs_key, 0 from media;
"""
ANALYZED = ("stores", "products", "inventory_items", "product_volume_discounts", "media", "product_media")


@pytest.fixture
async def explain(market: Any) -> Any:
    """Answers the nodes of a statement's plan, as a prepared statement gets it once it is used often."""
    async with market.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.raw.execute(FILL)
    admin = await asyncpg.connect(market.world.admin_url)
    for table in ANALYZED:
        await admin.execute(f"vacuum analyze catalog.{table}")
    await admin.close()

    async def explained(statement: str, args: list[Any], *, generic: bool) -> list[dict[str, Any]]:
        async with market.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
            mode = "force_generic_plan" if generic else "force_custom_plan"
            await tx.run(f"set local plan_cache_mode = {mode}")
            await tx.run(f"prepare hot as {statement}")
            plan = await tx.fetchval(f"explain (format json) execute hot ({', '.join(map(_literal, args))})")
            await tx.run("deallocate hot")
        return list(_nodes(plan[0]["Plan"]))

    return explained


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"'{{{','.join(map(str, value))}}}'"
    return str(value) if isinstance(value, int) else f"'{value}'"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def scans_of_whole_tables(nodes: Any) -> Any:
    return [node.get("Relation Name") for node in nodes if node["Node Type"] == "Seq Scan"]


def sorts(nodes: Any) -> Any:
    return [node["Sort Key"] for node in nodes if "Sort" in node["Node Type"]]


def indexes(nodes: Any) -> Any:
    return {node["Index Name"] for node in nodes if "Index Name" in node}


def browse(buyer_store_id: UUID, sort: str, filters: Filters, cursor: tuple[Any, Any] | None = None) -> Any:
    conditions = Conditions(args=["OK", buyer_store_id])
    conditions.require(visible(state="$1", buyer="$2"))
    conditions.require(f"{market_queries.BUYER_STATE} = $1")
    conditions.narrow(filters, buyer_store_id)
    if cursor:
        conditions.require(SORTS[sort].beyond, *cursor)
    return page_statement(SUMMARY, conditions.where, SORTS[sort], 20), conditions.args


BROWSES = {
    "ix_products_newest": ("newest", {}, "2026-01-01T00:00:00Z"),
    "ix_products_price": ("price_desc", {}, 500),
    "ix_products_title": ("title", {}, "golden"),
    "ix_products_category": ("newest", {"category": "flower"}, "2026-01-01T00:00:00Z"),
}


async def test_hot_queries_walk_an_index_and_sort_nothing(market: Any, explain: Any) -> None:
    buyer = (await market.row("select store_id from stores where type = 'buyer' limit 1"))["store_id"]
    for index, (sort, asked, value) in BROWSES.items():
        for cursor in (None, (value, uuid4())):
            nodes = await explain(*browse(buyer, sort, Filters(**asked), cursor), generic=True)
            assert (scans_of_whole_tables(nodes), sorts(nodes)) == ([], []), (index, cursor)
            assert index in indexes(nodes), (index, cursor)
    for asked in ({"classification": "indica"}, {"has_promo": True}, {"price_min_cents": 2000}, {"deliverable": True}):
        nodes = await explain(*browse(buyer, "newest", Filters(**asked)), generic=False)
        assert (scans_of_whole_tables(nodes), sorts(nodes)) == ([], []), asked


async def test_a_search_uses_the_trigram_index_and_one_sort(market: Any, explain: Any) -> None:
    buyer = (await market.row("select store_id from stores where type = 'buyer' limit 1"))["store_id"]

    nodes = await explain(*browse(buyer, "newest", Filters(q="golden kush 99")), generic=False)

    assert scans_of_whole_tables(nodes) == []
    assert "ix_products_search" in indexes(nodes)
    assert len(sorts(nodes)) == 1


async def test_what_shows_a_deleted_medium_is_found_by_index(market: Any, explain: Any) -> None:
    shown = await market.row("select media_id, product_id from product_media limit 1")
    for statement, wanted in (
        (USERS, shown["media_id"]),
        (DROP_PICTURES, shown["product_id"]),
        (DROP_CERTIFICATES, shown["product_id"]),
        (REVIEW, shown["product_id"]),
    ):
        nodes = await explain(statement, [[wanted]], generic=True)
        assert scans_of_whole_tables(nodes) == [], statement


async def test_an_owners_answer_is_kept_without_a_look_at_every_epoch(market: Any, explain: Any) -> None:
    """Reading through keeps what the owner said while a caller waits."""
    one, store = uuid4(), uuid4()
    medium = [one, 1, 1, False, store, "product", "uploaded", "image/png", "key", "https://public.test/key"]
    known = [store, 1, 1, False, "vendor", "Vendor", "V", "verified", "active", "OK", 35, -97, 0, "key", "https://x"]
    for statement, args, index in (
        (KEEP_MEDIUM, medium, "ix_media_source_epoch"),
        (KEEP_STORE, known, "ix_stores_source_epoch"),
    ):
        nodes = await explain(statement, args, generic=True)
        assert scans_of_whole_tables(nodes) == [], index
        assert index in indexes(nodes)


async def test_detail_quote_reserve_and_the_vendors_list_find_their_rows_by_index(market: Any, explain: Any) -> None:
    product = await market.row("select id, store_id from products limit 1")
    ids, vendors = [product["id"]], [product["store_id"]]
    own = Conditions()
    own.require("p.store_id = {} and p.deleted_at is null", product["store_id"])
    reserve = [uuid4(), uuid4(), "OK", [uuid4()], [uuid4()], ids, vendors, [1], vendors]
    for name, statement, args in (
        ("detail", market_queries.READ_PRODUCT, [product["id"], uuid4()]),
        ("vendor detail", vendor_queries.READ_PRODUCT, [product["id"], product["store_id"]]),
        ("vendor list", page_statement(VENDOR_SUMMARY, own.where, SORTS["newest"], 20), own.args),
        ("quote", GOODS, [ids]),
        ("reserve", RESERVE, reserve),
    ):
        nodes = await explain(statement, args, generic=True)
        assert scans_of_whole_tables(nodes) == [], name
