"""What the clock does to orders that nobody decides (spec 12.10)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.jobs import JobOutcome
from contracts.orders import OrderChanged, OrderExpired, OrderPendingNudge
from kernel.scope import Actor
from orders.usecases.passages import remind_or_expire

ROW = "select * from vendor_orders where id = $1 for update"


async def passes(market: Any, **time: float) -> JobOutcome:
    """Time goes by, and the job runs."""
    market.world.clock.turn(timedelta(**time))
    outcome: JobOutcome = await market.clock_runs()
    return outcome


async def act(market: Any, order_id: str) -> None:
    """What a scheduler that lost its lease, and does not know it yet, does to the order."""
    async with market.world.db.transaction(actor=Actor.job("expire-orders"), request_id="late") as tx:
        await remind_or_expire(tx, UUID(order_id))


async def test_a_vendor_is_reminded_after_five_days_and_the_order_ends_after_ten(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await market.order(buyer, (flower, 4), tip_cents=7)
    seen = []
    for hours in (5 * 24 - 1, 2, 5 * 24 - 2, 2):
        await passes(market, hours=hours)
        told = (await buyer.sees(order["order_id"]))["order"]
        seen.append((told["status"], told["nudged_at"] is not None))

    assert seen == [
        ("created_pending", False),
        ("created_pending", True),
        ("created_pending", True),
        ("expired", True),
    ]
    assert (told["balance_due_cents"], told["total_cents"]) == (0, 6007), "amounts stay as history"
    [reminder], [end] = await market.world.emitted(OrderPendingNudge), await market.world.emitted(OrderExpired)
    assert (reminder.pending_days, end.ttl_days) == (5, 10)
    assert set(end.released_line_ids) == set(market.catalog.held)
    assert [event.version for event in await market.world.emitted(OrderChanged)] == [1, 2, 3]
    await market.gives_back()
    assert flower.available == 1000


@pytest.mark.plant("an order that ends although its reminder came late")
async def test_ttl_after_outage_still_gives_five_days(market: Any, buyer: Any) -> None:
    order = await market.order(buyer, (market.product(market.vendor()), 1))

    await passes(market, days=30)
    reminded = (await buyer.sees(order["order_id"]))["order"]
    await passes(market, days=4, hours=23)
    still = (await buyer.sees(order["order_id"]))["order"]["status"]
    await passes(market, hours=2)

    assert (reminded["status"], still) == ("created_pending", "created_pending")
    assert reminded["nudged_at"] < reminded["expires_at"]
    assert (await buyer.sees(order["order_id"]))["order"]["status"] == "expired"
    [reminder] = await market.world.emitted(OrderPendingNudge)
    assert reminder.pending_days == 30


async def test_ttl_two_runs_emit_once(market: Any, buyer: Any) -> None:
    order = await market.order(buyer, (market.product(market.vendor()), 1))
    market.world.clock.turn(timedelta(days=6))
    ran = await asyncio.gather(market.clock_runs(), market.clock_runs())
    async with market.world.collision(ROW, UUID(order["order_id"]), waiting=2):
        late = [asyncio.create_task(act(market, order["order_id"])) for _ in range(2)]
    await asyncio.gather(*late)
    market.world.clock.turn(timedelta(days=6))
    async with market.world.collision(ROW, UUID(order["order_id"]), waiting=2):
        late = [asyncio.create_task(act(market, order["order_id"])) for _ in range(2)]
    await asyncio.gather(*late)

    assert all(outcome.succeeded for outcome in ran)
    assert len(await market.world.emitted(OrderPendingNudge)) == 1
    assert len(await market.world.emitted(OrderExpired)) == 1


async def test_a_decided_order_is_never_reminded_of_nor_ended(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    accepted, canceled = [await market.order(buyer, (flower, 1)) for _ in range(2)]
    await market.seller(flower.vendor).decides(accepted["order_id"], "accept")
    await buyer.cancels(canceled["order_id"])
    for _ in range(2):
        await passes(market, days=20)
    assert await market.world.emitted(OrderPendingNudge) == []
    assert await market.world.emitted(OrderExpired) == []


async def test_a_run_meets_every_order_although_one_of_them_fails(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    first, broken, last = [await market.order(buyer, (flower, 1)) for _ in range(3)]
    async with market.world.db.reader() as db:
        await db.fetch(
            "update vendor_orders set shipping_address = '\"nowhere\"' where id = $1", UUID(broken["order_id"])
        )
    outcome = await passes(market, days=6)
    reminded = [str(event.order_id) for event in await market.world.emitted(OrderPendingNudge)]
    assert (outcome.succeeded, outcome.items_failed) == (True, 1)
    assert reminded == [first["order_id"], last["order_id"]]


async def test_more_orders_than_one_batch_are_all_met(market: Any, buyer: Any) -> None:
    await market.order(buyer, (market.product(market.vendor()), 1))
    await market.copies_order(120)
    outcome = await passes(market, days=6)
    async with market.world.db.reader() as db:
        left = await db.fetchval("select count(*) from vendor_orders where nudged_at is null")
    assert (outcome.succeeded, left) == (True, 0)
