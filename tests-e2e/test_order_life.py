"""Orders through the gateway, from their lines to their end, and what that does to stock (spec 12.7 to 12.9)."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from markets import Market, at_rest, books_balance, open_market

from packhouse.eventually import eventually

STOCK = "select available_qty, reserved_qty from catalog.inventory_items where product_id = $1::uuid"


async def ordered(market: Market, wanted: dict[str, int]) -> str:
    """The id of the one order that these quantities make."""
    buyer = market.buyers[0]
    group = (await buyer.checks_out(await market.filled_cart(buyer, wanted))).expect(201)
    [order] = group["vendor_orders"]
    return str(order["order_id"])


async def test_what_an_order_gives_up_is_for_sale_again(http: httpx.AsyncClient, database: asyncpg.Connection) -> None:
    market = await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=1)
    [vendor], [buyer] = market.vendors, market.buyers
    kept, refused = await market.lists(vendor, "KEPT", units=10), await market.lists(vendor, "REFUSED", units=10)
    order = await ordered(market, {"KEPT": 4, "REFUSED": 3})
    detail = (await buyer.get(f"/api/v1/orders/{order}")).expect(200)
    lines = {line["product_id"]: line["id"] for line in detail["line_items"]}

    async def stands(goods: dict[str, Any], available: int, reserved: int) -> None:
        async def seen() -> bool:
            return tuple(await database.fetchrow(STOCK, goods["id"])) == (available, reserved)

        await eventually(seen, within=15)

    for goods, decision in ((refused, "reject"), (kept, "accept")):
        body = {"line_item_id": lines[goods["id"]], "decision": decision}
        (await vendor.post(f"/api/v1/vendor/orders/{order}/line-items/decision", body)).expect(200)
    await stands(refused, 10, 0)
    (await vendor.post(f"/api/v1/vendor/orders/{order}/fulfill", {})).expect(200)
    await stands(kept, 6, 4)
    (await buyer.post(f"/api/v1/orders/{order}/cancel", {"reason": "Closed"})).expect(200)
    await stands(kept, 10, 0)

    told = (await vendor.get(f"/api/v1/orders/{order}/timeline")).expect(200)["items"]
    assert [one["what"] for one in told] == [
        "created",
        "line_rejected",
        "line_accepted",
        "fulfilled",
        "ready_for_pickup",
        "canceled",
    ]
    await eventually(lambda: at_rest(database), within=30)
    await books_balance(database)


async def test_an_admin_ends_an_order_and_nobody_else_can(http: httpx.AsyncClient) -> None:
    market = await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=1)
    await market.lists(market.vendors[0], "ENDED", units=5)
    order = await ordered(market, {"ENDED": 1})
    path = f"/api/v1/admin/orders/{order}/cancel"

    refused = [await one.post(path, {"reason": "Mine"}) for one in (market.buyers[0], market.vendors[0])]
    done = (await market.admin.post(path, {"reason": "The vendor is gone"})).expect(200)

    assert [answer.status for answer in refused] == [403, 403]
    assert (done["order"]["status"], done["order"]["cancel_reason"]) == ("canceled", "The vendor is gone")
