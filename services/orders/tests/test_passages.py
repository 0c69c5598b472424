"""Packing, canceling and nudging (spec 5.2, 12.8, 12.9)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from contracts.orders import NotificationRequested, OrderCanceled, OrderReadyForDispatch
from kernel.scope import Role
from orders.api.schemas import OrderDetail


async def audited(market: Any) -> list[str]:
    async with market.world.db.reader() as db:
        return [row["action"] for row in await db.fetch("select action from audit_logs order by seq")]


async def test_packing_is_fulfilled_then_hold_in_one_transaction(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    kept, gone = market.product(vendor), market.product(vendor, available=0)
    order, seller = await market.order(buyer, (kept, 2), (gone, 1)), market.seller(vendor)
    await seller.decides(order["order_id"], "accept")

    answer = await seller.fulfills(order["order_id"])

    detail = OrderDetail.model_validate(answer.json()["data"])
    assert (detail.order.status, detail.order.fulfillment_status, detail.order.version) == ("hold", "partial", 3)
    assert detail.order.fulfilled_at is not None
    assert sorted(line.status for line in detail.line_items) == ["fulfilled", "rejected"]
    assert (detail.order.total_cents, detail.order.balance_due_cents) == (3000, 3000)
    async with market.world.db.reader() as db:
        moves = await db.fetch(
            "select what, from_status, to_status, event_id from order_status_history order by at, id"
        )
    assert [tuple(row)[:3] for row in moves[-2:]] == [
        ("fulfilled", "partially_accepted", "fulfilled"),
        ("ready_for_pickup", "fulfilled", "hold"),
    ]
    [ready] = await market.world.emitted(OrderReadyForDispatch)
    assert (ready.order_number, ready.rejected_item_count, ready.fulfillment_status, ready.shipping_status) == (
        order["order_number"],
        1,
        "partial",
        "pending",
    )


async def test_packing_again_changes_nothing_and_what_is_not_accepted_cannot_be_packed(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    early = await seller.fulfills(order["order_id"])
    await seller.decides(order["order_id"], "accept")
    first, again = await seller.fulfills(order["order_id"]), await seller.fulfills(order["order_id"])
    assert (early.status_code, early.json()["error"]["details"]) == (
        422,
        {"from": "created_pending", "action": "fulfill"},
    )
    assert first.json()["data"]["order"]["fulfillment_status"] == "fulfilled"
    assert (again.status_code, again.json()["data"]) == (200, first.json()["data"])
    assert len(await market.world.emitted(OrderReadyForDispatch)) == 1


@pytest.mark.parametrize(("role", "status"), [(Role.STAFF, 200), (Role.OPS, 200), (Role.VIEWER, 403)])
async def test_who_may_pack(market: Any, buyer: Any, role: Role, status: int) -> None:
    flower = market.product(market.vendor())
    order = await market.order(buyer, (flower, 1))
    await market.seller(flower.vendor).decides(order["order_id"], "accept")
    assert (await market.seller(flower.vendor, role).fulfills(order["order_id"])).status_code == status
    assert (await buyer.fulfills(order["order_id"])).status_code == 403


async def test_cancel_from_hold_returns_packed_stock(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 4)), market.seller(flower.vendor)
    await seller.decides(order["order_id"], "accept")
    await seller.fulfills(order["order_id"])

    answer = await buyer.cancels(order["order_id"], reason="Closed for the winter")

    detail = OrderDetail.model_validate(answer.json()["data"])
    assert (detail.order.status, detail.order.balance_due_cents, detail.order.total_cents) == ("canceled", 0, 6000)
    assert (detail.order.cancel_reason, detail.line_items[0].status) == ("Closed for the winter", "fulfilled")
    [event] = await market.world.emitted(OrderCanceled)
    assert (event.reason, event.canceled_at) == ("Closed for the winter", detail.order.canceled_at)
    await market.gives_back()
    assert flower.available == 1000


@pytest.mark.plant("a cancel that gives back what was rejected before")
async def test_cancel_does_not_release_rejected_lines_twice(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    first, second = market.product(vendor), market.product(vendor)
    order, seller = await market.order(buyer, (first, 2), (second, 3)), market.seller(vendor)
    lines = {line["product_id"]: line["id"] for line in (await buyer.sees(order["order_id"]))["line_items"]}
    await seller.decides_line(order["order_id"], lines[str(first.id)], "reject")

    answer = await buyer.cancels(order["order_id"])

    [event] = await market.world.emitted(OrderCanceled)
    assert [str(line) for line in event.released_line_ids] == [lines[str(second.id)]]
    assert answer.json()["data"]["order"]["cancel_reason"] is None
    await market.gives_back()
    assert (first.available, second.available, market.catalog.held) == (1000, 1000, {})


async def test_no_decision_on_canceled_order(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    [line] = (await buyer.sees(order["order_id"]))["line_items"]
    first = await buyer.cancels(order["order_id"], reason="Mistake")
    again = await buyer.cancels(order["order_id"], reason="Another")
    refused = [
        await seller.decides(order["order_id"], "accept"),
        await seller.decides(order["order_id"], "reject"),
        await seller.decides_line(order["order_id"], line["id"], "accept"),
        await seller.fulfills(order["order_id"]),
        await buyer.nudges(order["order_id"]),
        await buyer.retries(order["order_id"]),
    ]
    assert (again.status_code, again.json()["data"]) == (200, first.json()["data"])
    assert [(one.status_code, one.json()["error"]["details"]["from"]) for one in refused] == [(422, "canceled")] * 6
    assert len(await market.world.emitted(OrderCanceled)) == 1


async def test_a_cancel_without_any_body_needs_no_reason(market: Any, buyer: Any) -> None:
    order = await market.order(buyer, (market.product(market.vendor()), 1))
    path = f"/api/v1/orders/{order['order_id']}/cancel"
    assert (await buyer.caller.post(path, key=str(uuid4()))).status_code == 200


async def test_only_the_side_that_may_does_it(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    staff = market.member(store_id=buyer.store_id, role=Role.STAFF)
    stranger = market.member()
    own = [await one(order["order_id"]) for one in (seller.cancels, seller.nudges, seller.retries, staff.cancels)]
    foreign = [await one(order["order_id"]) for one in (stranger.cancels, stranger.nudges, stranger.retries)]
    assert [answer.status_code for answer in own] == [403] * 4
    assert [answer.status_code for answer in foreign] == [404] * 3
    assert {answer.json()["error"]["message"] for answer in foreign} == {"resource not found"}


async def test_nudge_once_per_24_h(market: Any, buyer: Any) -> None:
    order = await market.order(buyer, (market.product(market.vendor()), 1))
    colleague = market.member(store_id=buyer.store_id)

    first, soon = await buyer.nudges(order["order_id"]), await colleague.nudges(order["order_id"])
    market.world.clock.turn(timedelta(hours=23, minutes=59))
    later = await buyer.nudges(order["order_id"])
    market.world.clock.turn(timedelta(minutes=2))
    next_day = await buyer.nudges(order["order_id"])

    assert (first.status_code, first.json()["data"]) == (202, {"nudged": True})
    assert (soon.status_code, soon.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 0 < int(later.headers["retry-after"]) <= 60
    assert [later.status_code, next_day.status_code] == [429, 202]
    asked = await market.world.emitted(NotificationRequested)
    assert [(one.type, one.requested_by_user_id) for one in asked] == [("order_nudge", buyer.caller.user_id)] * 2
    assert (await buyer.sees(order["order_id"]))["order"]["version"] == 3


async def test_an_admin_ends_an_order_that_cannot_go_on(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 2)), market.seller(flower.vendor)
    await seller.decides(order["order_id"], "accept")
    await seller.fulfills(order["order_id"])

    answer, again = await market.admin_cancels(order["order_id"]), await market.admin_cancels(order["order_id"])

    detail = OrderDetail.model_validate(answer.json()["data"])
    assert (detail.order.status, detail.order.cancel_reason) == ("canceled", "Refused at the door")
    assert "internal_notes" not in answer.json()["data"]["order"]
    assert again.json()["data"] == answer.json()["data"]
    assert len(await market.world.emitted(OrderCanceled)) == 1
    async with market.world.db.reader() as db:
        [row] = await db.fetch("select payload from audit_logs where action = 'order.cancel_by_admin'")
    assert row["payload"]["reason"] == "Refused at the door"
    assert (await market.admin_cancels(str(uuid4()))).status_code == 404
    assert (await market.admin_cancels(order["order_id"], reason="")).status_code == 400
    path = f"/api/v1/admin/orders/{order['order_id']}/cancel"
    assert (await buyer.caller.post(path, {"reason": "Mine"}, key="k")).status_code == 403


async def test_on_the_road_finance_has_the_first_word(market: Any, buyer: Any) -> None:
    order = await market.order(buyer, (market.product(market.vendor()), 1))
    async with market.world.db.reader() as db:
        await db.fetch("update vendor_orders set status = 'in_transit'")
    by_admin, by_buyer = await market.admin_cancels(order["order_id"]), await buyer.cancels(order["order_id"])
    assert (by_admin.status_code, by_admin.json()["error"]["details"]) == (503, {"service": "finance"})
    assert (by_buyer.status_code, by_buyer.json()["error"]["details"]["from"]) == (422, "in_transit")


async def test_each_deed_leaves_its_audit_row(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await market.order(buyer, (flower, 1)), market.seller(flower.vendor)
    [line] = (await buyer.sees(order["order_id"]))["line_items"]
    await buyer.nudges(order["order_id"])
    await seller.decides_line(order["order_id"], line["id"], "accept")
    await seller.fulfills(order["order_id"])
    await buyer.cancels(order["order_id"])
    expected = ["checkout.committed", "order.nudge", "order.accept_line", "order.fulfill", "order.cancel"]
    assert await audited(market) == expected


async def test_each_deed_on_an_order_that_is_left_to_expire_leaves_its_audit_row(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    order = await market.order(buyer, (market.product(vendor), 1), (market.product(vendor), 1))
    refused = (await buyer.sees(order["order_id"]))["line_items"][0]
    await market.seller(vendor).decides_line(order["order_id"], refused["id"], "reject")
    for _ in range(2):
        market.world.clock.turn(timedelta(days=6))
        await market.clock_runs()
    assert (await buyer.retries(order["order_id"])).status_code == 201
    expected = ["checkout.committed", "order.reject_line", "order.remind", "order.expire"]
    assert await audited(market) == [*expected, "checkout.committed", "order.retry"]
