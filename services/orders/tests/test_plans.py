"""The plans of what is asked most, on 20,000 orders: an index and never a scan of a whole table, nor a sort."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from kernel.scope import StoreScope
from orders.domain.states import ACTIONABLE
from orders.queries.lists import OrderFilters, Perspective, order_page
from orders.queries.orders import order_detail
from orders.queries.timelines import timeline
from orders.repo.orders import due

BUYERS, VENDORS, ORDERS = 200, 100, 20_000
FILL = f"""
create temporary table made as
select n, gen_random_uuid() as id, gen_random_uuid() as group_id, md5('b' || n % {BUYERS})::uuid as buyer,
       md5('v' || n % {VENDORS})::uuid as vendor, now() - n * interval '1 minute' as at,
       now() + case when n % 1000 = 0 then interval '-1 day' else interval '1 day' end as due_at
  from generate_series(1, {ORDERS}) n;
insert into checkout_groups (id, buyer_store_id, shipping_address, payment_method, tip_cents)
select group_id, buyer, '{{}}', 'cash', 0 from made;
insert into vendor_orders (id, checkout_group_id, buyer_store_id, vendor_store_id, status, refund_status,
    fulfillment_status, shipping_status, payment_method, subtotal_cents, discounts_cents, tax_cents,
    transport_fee_cents, shipping_cents, tip_cents, total_cents, balance_due_cents, nudge_due_at, expires_at,
    created_at, updated_at)
select id, group_id, buyer, vendor,
    case when n % 7 < 2 then 'created_pending' when n % 7 = 2 then 'accepted' else 'closed' end,
    'none', 'pending', 'pending', 'cash', 1, 0, 0, 0, 0, 0, 1, 1, due_at, due_at, at, at
  from made;
insert into order_line_items (id, order_id, product_id, name, category, unit, unit_price_cents, qty, moq,
    discount_cents, line_subtotal_cents, total_cents, status)
select gen_random_uuid(), id, gen_random_uuid(), 'Flower', 'flower', 'gram', 1, 1, 1, 0, 1, 1, 'accepted' from made;
insert into order_status_history (id, order_id, event_id, what, to_status, actor, actor_kind)
select gen_random_uuid(), id, gen_random_uuid(), 'created', 'created_pending', 'user:-', 'buyer' from made;
"""
ANALYZED = ("checkout_groups", "vendor_orders", "order_line_items", "order_status_history", "stores")


class Explaining:
    """A reader that asks how each statement would be answered, and answers with nothing."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.nodes: list[dict[str, Any]] = []

    async def fetch(self, statement: str, *args: Any) -> list[Any]:
        plan = await self._connection.fetchval(f"explain (format json) {statement}", *args)
        self.nodes += _nodes(json.loads(plan)[0]["Plan"])
        return []

    async def fetchval(self, statement: str, *args: Any) -> dict[str, Any]:
        await self.fetch(statement, *args)
        return {}

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    def kinds(self, word: str) -> list[str]:
        return [node["Node Type"] for node in self.nodes if word in node["Node Type"]]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


@pytest.fixture
async def explaining(market: Any) -> Any:
    connection = await asyncpg.connect(market.world.admin_url, server_settings={"search_path": "orders, public"})
    await connection.execute(FILL)
    for table in ANALYZED:
        await connection.execute(f"vacuum analyze {table}")
    yield Explaining(connection)
    await connection.close()


async def some(explaining: Any, column: str) -> UUID:
    """The store or the order that a row of the middle has there."""
    found: UUID = await explaining._connection.fetchval(
        f"select {column} from vendor_orders order by order_number offset 5000 limit 1"
    )
    return found


LISTS = {
    "ix_vendor_orders_buyer": (Perspective.BUYER, {}),
    "ix_vendor_orders_vendor": (Perspective.VENDOR, {}),
    "ix_vendor_orders_action": (Perspective.VENDOR, {"order_status": "created_pending"}),
}


@pytest.mark.parametrize("index", LISTS)
async def test_a_page_of_orders_comes_from_its_index(explaining: Any, index: str) -> None:
    perspective, filters = LISTS[index]
    store = StoreScope(await some(explaining, f"{perspective}_store_id"))
    await order_page(explaining, store, perspective, OrderFilters(**filters), limit=25, cursor=None, with_total=False)
    assert index in explaining.indexes
    assert "vendor_orders" not in {node.get("Relation Name") for node in explaining.nodes if _is_scan(node)}
    assert explaining.kinds("Sort") == []


async def test_what_waits_for_the_vendor_is_never_scanned_for(explaining: Any) -> None:
    store = StoreScope(await some(explaining, "vendor_store_id"))
    filters = OrderFilters(actionable_statuses=ACTIONABLE)
    await order_page(explaining, store, Perspective.VENDOR, filters, limit=25, cursor=None, with_total=True)
    assert explaining.indexes & {"ix_vendor_orders_action", "ix_vendor_orders_vendor"}
    assert "vendor_orders" not in {node.get("Relation Name") for node in explaining.nodes if _is_scan(node)}


async def test_one_order_and_its_timeline_come_from_their_keys(explaining: Any) -> None:
    store, order_id = StoreScope(await some(explaining, "buyer_store_id")), await some(explaining, "id")
    await order_detail(explaining, store, order_id)
    await timeline(explaining, store, order_id)
    assert {
        "pk_vendor_orders",
        "ix_order_line_items_order_id",
        "ix_order_status_history_order_id",
    } <= explaining.indexes
    assert [node.get("Relation Name") for node in explaining.nodes if _is_scan(node)] in ([], ["stores"] * 3)


async def test_the_clock_finds_what_is_due_without_a_scan(explaining: Any) -> None:
    await due(explaining, after=UUID(int=0), limit=100)
    await due(explaining, after=uuid4(), limit=100)
    assert explaining.kinds("Seq Scan") == []


def _is_scan(node: dict[str, Any]) -> bool:
    return bool(node["Node Type"] == "Seq Scan")
