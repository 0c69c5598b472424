"""A small market per test, and what must hold of its books whenever it is at rest."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from packhouse.actors import Admin, Buyer, Member, Vendor, product
from packhouse.eventually import eventually

VISIBLE_WITHIN = 15.0
JOIN_AT_ONCE = 6


@dataclass(slots=True)
class Market:
    """`goods` are the created products by sku."""

    admin: Admin
    vendors: list[Vendor] = field(default_factory=list)
    buyers: list[Buyer] = field(default_factory=list)
    goods: dict[str, dict[str, Any]] = field(default_factory=dict)

    def line(self, sku: str) -> tuple[str, str]:
        """What a cart names a product by: its id and its vendor's store id."""
        return self.goods[sku]["id"], self.goods[sku]["vendor_store_id"]

    async def lists(self, vendor: Vendor, sku: str, *, units: int, **facts: Any) -> dict[str, Any]:
        """A product with so many units, created and visible to every buyer."""
        listing = product(sku, f"Goods {sku}", inventory={"available_qty": units}, **facts)
        self.goods[sku] = (await vendor.lists(listing)).expect(201)

        async def visible() -> bool:
            return (await self.buyers[0].get(f"/api/v1/products/{self.goods[sku]['id']}")).ok

        await eventually(visible, within=VISIBLE_WITHIN)
        return self.goods[sku]

    async def filled_cart(self, buyer: Buyer, wanted: Mapping[str, int]) -> str:
        """The id of the buyer's cart with these quantities by sku."""
        reply = await buyer.fills_cart({self.line(sku): quantity for sku, quantity in wanted.items()})
        cart_id: str = reply.expect(200)["id"]
        return cart_id


async def open_market(http: httpx.AsyncClient, *, run: str, vendors: int, buyers: int) -> Market:
    """Register everybody and let an admin of its own grant their standing."""
    admin = Admin(http, email=f"admin-{run}@example.net")
    (await admin.registers()).expect(201)
    (await admin.logs_in()).expect(200)
    market = Market(admin)
    market.vendors = [Vendor(http, f"Grower {run} {place}") for place in range(vendors)]
    market.buyers = [Buyer(http, f"Dispensary {run} {place}") for place in range(buyers)]
    door = asyncio.Semaphore(JOIN_AT_ONCE)
    await asyncio.gather(*(_joins(door, market.admin, member) for member in (*market.vendors, *market.buyers)))
    return market


async def _joins(door: asyncio.Semaphore, admin: Admin, member: Member) -> None:
    async with door:
        (await member.registers()).expect(200)
        granted = await admin.grants_standing(str(member.store_id), subscribed=member.store_type == "vendor")
        granted.expect(200)

    async def verified() -> bool:
        store = (await member.get("/api/v1/stores/me")).expect(200)
        return bool(store["kyc_status"] == "verified")

    await eventually(verified, within=VISIBLE_WITHIN)


STOCK_DRIFT = """
select i.product_id, i.available_qty, i.reserved_qty,
       coalesce(sum(r.qty) filter (where r.state in ('held', 'confirmed')), 0) live
from catalog.inventory_items i left join catalog.reservations r using (product_id)
group by i.product_id having i.reserved_qty <> coalesce(sum(r.qty) filter (where r.state in ('held', 'confirmed')), 0)
"""

UNITS_LOST = """
select i.product_id from catalog.inventory_items i
left join (select product_id, sum(qty) qty from catalog.reservations
           where state = 'consumed' group by 1) c using (product_id)
join (select product_id, sum(available_delta) put_in from catalog.inventory_movements
      where kind in ('initial', 'set') group by 1) m using (product_id)
where i.available_qty + i.reserved_qty + coalesce(c.qty, 0) <> m.put_in
"""

LEAKED = """
select r.line_id from catalog.reservations r left join orders.order_line_items l on l.id = r.line_id
left join orders.vendor_orders o on o.id = l.order_id
where r.state in ('held', 'confirmed')
  and (l.id is null or l.status = 'rejected' or o.status in ('canceled', 'expired'))
"""

GHOSTS = """
select l.id from orders.order_line_items l join orders.vendor_orders o on o.id = l.order_id
left join catalog.reservations r on r.line_id = l.id
where l.status in ('pending', 'accepted', 'fulfilled') and o.status not in ('canceled', 'expired')
  and (r.line_id is null or r.state not in ('held', 'confirmed'))
"""

UNFINISHED = """
select 'attempt' from orders.checkout_attempts where state = 'reserving'
union all select 'outbox' from orders.outbox
union all select 'outbox' from catalog.outbox
union all select 'outbox' from identity.outbox
union all select 'outbox' from media.outbox
union all select 'held event' from identity.inbox_held
union all select 'held event' from media.inbox_held
union all select 'held event' from catalog.inbox_held
union all select 'held event' from orders.inbox_held
union all select 'held stock' from catalog.reservations where state = 'held'
"""


PLACED = "update identity.stores set geocode_status = 'none' where geocode_status = 'pending'"
"""After this no store changes by itself: the job that looks for addresses finds none."""


async def at_rest(database: asyncpg.Connection) -> bool:
    """No checkout is open, no event is under way, and no stock is held without an order."""
    return not await database.fetch(UNFINISHED)


async def books_balance(database: asyncpg.Connection) -> None:
    """Counters equal reservation rows, units are conserved, and orders and stock agree line by line."""
    for name, query in (("drift", STOCK_DRIFT), ("units", UNITS_LOST), ("leak", LEAKED), ("ghost", GHOSTS)):
        found = [dict(row) for row in await database.fetch(query)]
        assert not found, f"{name}: {found}"


def a_key() -> str:
    """An idempotency key that nobody has used."""
    return uuid4().hex
