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
    "catalog.media": "select media_id, to_jsonb(m) - 'updated_at' from catalog.media m order by media_id",
    "identity.media": "select media_id, to_jsonb(m) - 'updated_at' from identity.media m order by media_id",
}
"""All that one service keeps of another's facts; `updated_at` is when it heard of them."""

EMPTY = """
truncate catalog.stores;
truncate orders.stores;
truncate catalog.media;
truncate identity.media;
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
    for source in ("identity", "media"):
        await asyncio.to_thread(stack.run, source, "rebuild")

    async def restored() -> bool:
        return await at_rest(database) and await projections(database) == before

    seconds = await eventually(restored, within=RESTORED_WITHIN)
    assert [name for name, rows in lost.items() if rows and name != "catalog.products"] == []
    assert len(before["catalog.media"]) == len(before["identity.media"]) >= len(market.vendors)
    assert len(before["catalog.stores"]) == len(before["orders.stores"]) >= STORES
    assert (await market.buyers[0].get(f"/api/v1/products/{market.goods['REBUILT-0']['id']}")).ok
    print(f"{len(before['orders.stores'])} stores were back in both services after {seconds:.1f} s")
