"""Reading and deciding orders, from both sides (spec 5.2, 5.3, 12.7)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from contracts.orders import OrderChanged, OrderDecided
from kernel.scope import Role, StoreType
from orders.api.schemas import BuyerRow, OrderDetail, VendorRow
from orders.domain.states import OrderStatus
from orders.queries.snapshots import order_snapshots

SHIPPING = {"code": "van", "title": "Van", "price_cents": 1000}


async def order_of(market: Any, buyer: Any, *wanted: Any, **fields: Any) -> dict[str, Any]:
    checkout = await buyer.buys(*wanted, **fields)
    order: dict[str, Any] = checkout["vendor_orders"][0]
    return order


async def listed(member: Any, query: str = "") -> list[dict[str, Any]]:
    answer = await member.caller.get(f"/api/v1/orders?{query}")
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]["orders"]
    return rows


async def test_both_sides_read_the_order_and_nobody_else_does(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor("Green"))
    order = await order_of(market, buyer, (flower, 2), tip_cents=50)
    path = f"/api/v1/orders/{order['order_id']}"
    bought = await buyer.caller.get(path)
    sold = await market.seller(flower.vendor).caller.get(path)
    for answer in (bought, sold):
        detail = OrderDetail.model_validate(answer.json()["data"])
        assert (detail.order.status, detail.order.total_cents, detail.order.total_items) == ("created_pending", 3050, 1)
        assert (detail.line_items[0].quantity, detail.order.payment_status) == (2, "unpaid")
    assert "internal_notes" in sold.json()["data"]["order"]
    assert "internal_notes" not in bought.json()["data"]["order"]


@pytest.mark.plant("one endpoint without the store filter")
async def test_foreign_order_404(market: Any, buyer: Any) -> None:
    order = await order_of(market, buyer, (market.product(market.vendor()), 1))
    stranger, rival = market.member(), market.seller(market.vendor())
    unknown = await stranger.caller.get(f"/api/v1/orders/{uuid4()}")
    foreign = [
        await stranger.caller.get(f"/api/v1/orders/{order['order_id']}"),
        await rival.caller.get(f"/api/v1/orders/{order['order_id']}"),
        await rival.decides(order["order_id"], "accept"),
    ]
    assert unknown.status_code == 404
    for answer in foreign:
        told, expected = answer.json()["error"], unknown.json()["error"]
        assert (answer.status_code, told["code"], told["message"]) == (404, expected["code"], expected["message"])
    assert await listed(stranger) == await listed(rival) == []


async def test_accepting_keeps_the_amounts_and_tells_everybody(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await order_of(market, buyer, (flower, 2), tip_cents=50)
    answer = await market.seller(flower.vendor).decides(order["order_id"], "accepted", notes="Ready tomorrow")
    detail = OrderDetail.model_validate(answer.json()["data"])
    assert (detail.order.status, detail.order.version, detail.order.notes) == ("accepted", 2, "Ready tomorrow")
    assert (detail.order.total_cents, detail.order.balance_due_cents) == (3050, 3050)
    assert [line.status for line in detail.line_items] == ["accepted"]
    [decided] = await market.world.emitted(OrderDecided)
    assert (decided.scope, decided.decision, decided.status, decided.rejected_line_ids) == (
        "order",
        "accept",
        "accepted",
        [],
    )
    assert [event.version for event in await market.world.emitted(OrderChanged)] == [1, 2]


async def test_whole_reject_releases_everything(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    first, second, gone = market.product(vendor), market.product(vendor), market.product(vendor, available=0)
    order = await order_of(market, buyer, (first, 2), (second, 3), (gone, 1), tip_cents=9, shipping_line=SHIPPING)
    assert (first.available, second.available) == (998, 997)
    answer = await market.seller(vendor).decides(order["order_id"], "reject", notes="Closed")
    detail = OrderDetail.model_validate(answer.json()["data"])
    amounts = {name: value for name, value in detail.order.model_dump().items() if name.endswith("_cents")}
    assert set(amounts.values()) == {0}
    assert (detail.order.status, detail.order.total_items) == ("rejected", 0)
    assert {line.status for line in detail.line_items} == {"rejected"}
    assert [line.quantity for line in detail.line_items] == [2, 3, 1]
    [decided] = await market.world.emitted(OrderDecided)
    assert set(decided.rejected_line_ids) == set(market.catalog.held), "what was reserved, and nothing else"
    market.catalog.release(decided.rejected_line_ids)
    assert (first.available, second.available) == (1000, 1000)


async def test_the_same_decision_again_changes_nothing_and_the_other_is_422(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await order_of(market, buyer, (flower, 1)), market.seller(flower.vendor)
    first = await seller.decides(order["order_id"], "reject")
    again = await seller.decides(order["order_id"], "rejected")
    other = await seller.decides(order["order_id"], "accept")
    assert (again.status_code, again.json()["data"]) == (200, first.json()["data"])
    assert (other.status_code, other.json()["error"]["details"]) == (422, {"from": "rejected", "action": "accept"})
    assert len(await market.world.emitted(OrderDecided)) == 1


async def test_racing_decisions_have_one_winner(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order, seller = await order_of(market, buyer, (flower, 1)), market.seller(flower.vendor)
    answers = await asyncio.gather(
        *(seller.decides(order["order_id"], word) for word in ("accept", "reject", "accept", "reject"))
    )
    [decided] = await market.world.emitted(OrderDecided)
    winners = {answer.json()["data"]["order"]["status"] for answer in answers if answer.status_code == 200}
    assert winners == {decided.status}
    assert sorted(answer.status_code for answer in answers) == [200, 200, 422, 422]


async def test_a_decision_leaves_history_and_audit(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await order_of(market, buyer, (flower, 1))
    await market.seller(flower.vendor).decides(order["order_id"], "reject", notes="No stock")
    async with market.world.db.reader() as db:
        history = await db.fetch("select from_status, to_status, reason from order_status_history order by at, id")
        actions = await db.fetch("select action from audit_logs order by seq")
        with pytest.raises(Exception, match="dependency"):
            await db.fetch("update order_status_history set reason = 'other'")
    assert [tuple(row) for row in history] == [
        (None, "created_pending", None),
        ("created_pending", "rejected", "No stock"),
    ]
    assert [row["action"] for row in actions] == ["checkout.committed", "order.reject"]


@pytest.mark.parametrize("status", OrderStatus)
async def test_no_decision_where_the_table_has_none(market: Any, buyer: Any, status: OrderStatus) -> None:
    flower = market.product(market.vendor())
    order = await order_of(market, buyer, (flower, 1))
    zero = ", subtotal_cents = 0, total_cents = 0, balance_due_cents = 0" if status == "rejected" else ""
    async with market.world.db.reader() as db:
        await db.fetch(f"update vendor_orders set status = $1{zero}", status.value)
    answer = await market.seller(flower.vendor).decides(order["order_id"], "reject")
    expected = 200 if status in {OrderStatus.CREATED_PENDING, OrderStatus.REJECTED} else 422
    assert answer.status_code == expected, answer.text


@pytest.mark.parametrize(
    ("role", "status"), [(Role.OWNER, 200), (Role.OPS, 200), (Role.STAFF, 403), (Role.VIEWER, 403)]
)
async def test_who_may_decide(market: Any, buyer: Any, role: Role, status: int) -> None:
    flower = market.product(market.vendor())
    order = await order_of(market, buyer, (flower, 1))
    assert (await market.seller(flower.vendor, role).decides(order["order_id"], "accept")).status_code == status
    assert (await buyer.decides(order["order_id"], "accept")).status_code == 403


async def test_vendor_that_buys_sees_both_perspectives(market: Any, buyer: Any) -> None:
    green, red = market.vendor("Green"), market.vendor("Red")
    seller = market.seller(green)
    sold = await order_of(market, buyer, (market.product(green), 1))
    bought = await order_of(market, seller, (market.product(red), 1))
    assert [row["id"] for row in await listed(seller)] == [sold["order_id"]]
    assert [row["id"] for row in await listed(seller, "perspective=buyer")] == [bought["order_id"]]
    own_side = await seller.decides(bought["order_id"], "accept")
    assert (own_side.status_code, own_side.json()["error"]["code"]) == (403, "FORBIDDEN")
    refused = await buyer.caller.get("/api/v1/orders?perspective=vendor")
    assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "role_missing")


async def test_rows_have_the_shape_of_their_side(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor("Green"))
    order = await order_of(market, buyer, (flower, 2))
    seller = market.member(store_id=flower.vendor.id, store_type=StoreType.VENDOR)
    [bought], [sold] = await listed(buyer), await listed(seller)
    BuyerRow.model_validate(bought)
    row = VendorRow.model_validate(sold)
    assert (str(row.id), row.total_cents, row.total_items) == (order["order_id"], 3000, 1)
    assert row.buyer is not None
    assert (row.buyer.id, row.buyer.company_name) == (buyer.store_id, "Store buyer")


async def test_filters_narrow_the_list(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor("Green"))
    seller = market.seller(flower.vendor)
    pending, accepted, refused = [await order_of(market, buyer, (flower, 1)) for _ in range(3)]
    await seller.decides(accepted["order_id"], "accept")
    await seller.decides(refused["order_id"], "reject")
    tomorrow = quote((datetime.now(UTC) + timedelta(days=1)).isoformat())
    everything = [order["order_id"] for order in (refused, accepted, pending)]
    expected = {
        "": everything,
        "order_status=accepted": [accepted["order_id"]],
        "actionable_statuses=": [accepted["order_id"], pending["order_id"]],
        "actionable_statuses=rejected,accepted": [refused["order_id"], accepted["order_id"]],
        "actionable_statuses=rejected&actionable_statuses=accepted": [refused["order_id"], accepted["order_id"]],
        "payment_status=unpaid": everything,
        "payment_status=settled": [],
        "fulfillment_status=pending&shipping_status=pending": everything,
        f"date_to={tomorrow}": everything,
        f"date_from={tomorrow}": [],
        f"q={pending['order_number']}": [pending["order_id"]],
        f"q=%23{pending['order_number']}": [pending["order_id"]],
        "q=store+BUY": everything,
        "q=%25": [],
        "limit=2": everything[:2],
    }
    for query, ids in expected.items():
        assert [row["id"] for row in await listed(seller, query)] == ids, query
    for query in ("order_status=Accepted", "actionable_statuses=gone", "date_from=yesterday", "limit=0", "cursor=x"):
        assert (await seller.caller.get(f"/api/v1/orders?{query}")).status_code == 400, query


@pytest.mark.parametrize("query", ["", "perspective=vendor&actionable_statuses="])
async def test_paging_57_rows_by_10_same_timestamp_no_loss_no_repeat_while_inserting(
    market: Any, buyer: Any, query: str
) -> None:
    flower = market.product(market.vendor())
    reader = market.seller(flower.vendor) if query else buyer
    await order_of(market, buyer, (flower, 1))
    await market.copies_order(56)
    seen: list[str] = []
    cursor = ""
    while True:
        answer = (await reader.caller.get(f"/api/v1/orders?limit=10&with_total=true&{query}{cursor}")).json()["data"]
        seen += [row["id"] for row in answer["orders"]]
        await order_of(market, buyer, (flower, 1))
        if answer["pagination"]["next"] is None:
            break
        cursor = f"&cursor={answer['pagination']['next']}"
    assert (len(seen), len(set(seen))) == (57, 57)
    other = await reader.caller.get(f"/api/v1/orders?order_status=accepted{cursor}")
    assert other.status_code == 400, "a cursor fits only the filters it came from"


async def test_snapshots_tell_what_the_events_told(market: Any, buyer: Any) -> None:
    flower, sold_out = market.product(market.vendor()), market.product(market.vendor())
    cart = await buyer.wants((flower, 2), (sold_out, 1))
    sold_out.available = 0
    await buyer.checks_out(cart["id"], tip_cents=3)
    told = {event.order_id: event for event in await market.world.emitted(OrderChanged)}
    async with market.world.db.reader() as db:
        snapshots = await order_snapshots(db)
        [alone] = await order_snapshots(db, only=snapshots[1].order_id)
        assert [one.order_id for one in await order_snapshots(db, after=snapshots[0].order_id)] == [alone.order_id]
    assert {snapshot.order_id: snapshot for snapshot in snapshots} == told
