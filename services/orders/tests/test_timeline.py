"""An order's whole history, told to both sides within their rights (spec 5.3)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from kernel.scope import Role
from orders.api.move_schemas import Timeline


async def told(member: Any, order_id: str) -> list[dict[str, Any]]:
    answer = await member.caller.get(f"/api/v1/orders/{order_id}/timeline")
    assert answer.status_code == 200, answer.text
    Timeline.model_validate(answer.json()["data"])
    items: list[dict[str, Any]] = answer.json()["data"]["items"]
    return items


async def events(market: Any) -> dict[str, str]:
    """Topics by event id."""
    async with market.world.db.reader() as db:
        rows = await db.fetch("select event_id, type from outbox union all select event_id, type from outbox_archive")
    return {str(row["event_id"]): row["type"] for row in rows}


async def test_everything_that_happened_is_told_with_its_event_oldest_first(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    kept, refused = market.product(vendor), market.product(vendor)
    order, seller = await market.order(buyer, (kept, 1), (refused, 1)), market.seller(vendor)
    lines = {line["product_id"]: line["id"] for line in (await buyer.sees(order["order_id"]))["line_items"]}
    await buyer.nudges(order["order_id"])
    market.world.clock.turn(timedelta(days=6))
    await market.clock_runs()
    await seller.decides_line(order["order_id"], lines[str(refused.id)], "reject", notes="No stock")
    await seller.decides(order["order_id"], "accept")
    await seller.fulfills(order["order_id"])
    await market.admin_cancels(order["order_id"])

    items, named = await told(buyer, order["order_id"]), await events(market)

    pending, part = "created_pending", "partially_accepted"
    facts = [
        (item["what"], item["from"], item["to"], item["actor"]["kind"], named[item["event_id"]].split(".")[1])
        for item in items
    ]
    assert facts == [
        ("created", None, pending, "buyer", "order_created"),
        ("nudged", pending, pending, "buyer", "notification_requested"),
        ("reminded", pending, pending, "system", "order_pending_nudge"),
        ("line_rejected", pending, pending, "vendor", "order_decided"),
        ("accepted", pending, part, "vendor", "order_decided"),
        ("fulfilled", part, "fulfilled", "vendor", "order_ready_for_dispatch"),
        ("ready_for_pickup", "fulfilled", "hold", "vendor", "order_ready_for_dispatch"),
        ("canceled", "hold", "canceled", "admin", "order_canceled"),
    ]
    assert [item["line_item_id"] for item in items if item["line_item_id"]] == [lines[str(refused.id)]]
    assert [item["at"] for item in items] == sorted(item["at"] for item in items)


async def test_each_side_reads_the_names_of_its_own_side_only(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    await market.hears_of(buyer, seller)
    await seller.decides(order["order_id"], "accept")
    bought, sold = await told(buyer, order["order_id"]), await told(seller, order["order_id"])
    assert [item["actor"] for item in bought] == [
        {"kind": "buyer", "name": "Store buyer"},
        {"kind": "vendor", "name": None},
    ]
    assert [item["actor"] for item in sold] == [
        {"kind": "buyer", "name": None},
        {"kind": "vendor", "name": "Store vendor"},
    ]


async def test_a_retry_stands_in_the_history_of_both_orders(market: Any, buyer: Any) -> None:
    order = await market.expired(buyer, (market.product(market.vendor()), 1))
    new = (await buyer.retries(order["order_id"])).json()["data"]
    old_items, new_items = await told(buyer, order["order_id"]), await told(buyer, new["order_id"])
    assert [item["what"] for item in old_items] == ["created", "reminded", "expired", "retried"]
    assert [item["what"] for item in new_items] == ["created"]
    assert (await events(market))[old_items[-1]["event_id"]] == "orders.order_retried.v1"


async def test_who_waits_for_the_row_is_told_after_who_held_it(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    lock = "select from vendor_orders where id::text = $1 for update"
    async with market.world.collision(lock, order["order_id"], waiting=2) as arrived:
        first = asyncio.create_task(seller.decides(order["order_id"], "accept"))
        await arrived(1)
        second = asyncio.create_task(buyer.cancels(order["order_id"]))
    assert [(await one).status_code for one in (first, second)] == [200, 200]
    items = await told(buyer, order["order_id"])
    assert [item["what"] for item in items] == ["created", "accepted", "canceled"]


async def test_the_timeline_is_for_the_two_sides_of_the_order(market: Any, buyer: Any) -> None:
    order = await market.order(buyer, (market.product(market.vendor()), 1))
    path = f"/api/v1/orders/{order['order_id']}/timeline"
    viewer = market.member(store_id=buyer.store_id, role=Role.VIEWER)
    assert (await viewer.caller.get(path)).status_code == 200
    assert (await market.member().caller.get(path)).status_code == 404
    assert (await buyer.caller.get(f"/api/v1/orders/{uuid4()}/timeline")).status_code == 404
