"""A projection that was lost comes back whole from its source (spec 1.9)."""

import asyncio

import asyncpg
from markets import PLACED, Market, at_rest

from packhouse.eventually import eventually
from packhouse.stack import Stack

RESTORED_WITHIN = 30.0
STORES = 4
PROJECTIONS = {
    "catalog.stores": "select store_id, to_jsonb(s) - 'updated_at' from catalog.stores s order by store_id",
    "catalog.products": "select id, visible_in from catalog.products order by id",
    "orders.stores": "select * from orders.stores order by store_id",
}
"""All that catalog and orders keep of identity's facts; `updated_at` of catalog's view is when it heard of them."""

EMPTY = """
truncate catalog.stores;
truncate orders.stores;
update catalog.products set visible_in = null;
"""


async def projections(database: asyncpg.Connection) -> dict[str, list[asyncpg.Record]]:
    return {name: await database.fetch(query) for name, query in PROJECTIONS.items()}


async def test_rebuild_restores_every_projection(stack: Stack, market: Market, database: asyncpg.Connection) -> None:
    for place, vendor in enumerate(market.vendors):
        await market.lists(vendor, f"REBUILT-{place}", units=5)
    await database.execute(PLACED)
    await eventually(lambda: at_rest(database), within=RESTORED_WITHIN)
    before = await projections(database)

    await database.execute(EMPTY)
    lost = await projections(database)
    await asyncio.to_thread(stack.run, "identity", "rebuild")

    async def restored() -> bool:
        return await at_rest(database) and await projections(database) == before

    seconds = await eventually(restored, within=RESTORED_WITHIN)
    assert lost["catalog.stores"] == lost["orders.stores"] == []
    assert len(before["catalog.stores"]) == len(before["orders.stores"]) >= STORES
    assert (await market.buyers[0].get(f"/api/v1/products/{market.goods['REBUILT-0']['id']}")).ok
    print(f"{len(before['orders.stores'])} stores were back in both services after {seconds:.1f} s")
