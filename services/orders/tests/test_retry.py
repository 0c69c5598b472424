"""An expired order is tried again, once and at the prices of today (spec 12.11)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chassis import failpoints
from contracts.orders import CheckoutConverted, OrderCreated, OrderRetried
from kernel.scope import Kyc
from orders.api.schemas import Confirmation, OrderDetail

SHIPPING = {"code": "van", "title": "Van", "price_cents": 1000}
LAPSED = timedelta(seconds=31)


async def retried(buyer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """The order that stands in for the expired one."""
    answer = await buyer.retries(order["order_id"])
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = await buyer.sees(answer.json()["data"]["order_id"])
    return found


async def test_retry_once_with_fresh_prices(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), price_cents=1500)
    order = await market.expired(buyer, (flower, 4), tip_cents=70, shipping_line=SHIPPING)
    flower.price_cents = 2000

    answer = await buyer.retries(order["order_id"], key="k")
    replay = await buyer.retries(order["order_id"], key="k")
    second = await buyer.retries(order["order_id"])

    told = answer.json()["data"]
    assert (answer.status_code, set(told)) == (201, {"order_id", "checkout_group_id"})
    detail = OrderDetail.model_validate(await buyer.sees(told["order_id"]))
    assert (detail.order.status, str(detail.order.retried_from_order_id)) == ("created_pending", order["order_id"])
    assert (detail.order.subtotal_cents, detail.order.tip_cents, detail.order.shipping_cents) == (8_000, 70, 1_000)
    assert detail.order.total_cents == detail.order.balance_due_cents == 9_070
    assert detail.order.order_number != order["order_number"]
    assert detail.order.cart_id is None
    assert (replay.json()["data"], replay.headers["idempotency-replayed"]) == (told, "true")
    assert (second.status_code, second.json()["error"]["reason"]) == (409, "already_retried")
    assert (await market.order_count(), flower.available) == (2, 996)


async def test_a_retry_tells_its_facts_and_leaves_the_old_order_as_it_was(market: Any, buyer: Any) -> None:
    order = await market.expired(buyer, (market.product(market.vendor()), 1))
    before = await buyer.sees(order["order_id"])

    new = (await retried(buyer, order))["order"]

    [event] = await market.world.emitted(OrderRetried)
    created = (await market.world.emitted(OrderCreated))[-1]
    converted = (await market.world.emitted(CheckoutConverted))[-1]
    assert [str(event.original_order_id), str(event.order_id)] == [order["order_id"], new["id"]]
    assert [str(created.order_id), str(created.retried_from_order_id)] == [new["id"], order["order_id"]]
    assert (converted.cart_id, [str(one) for one in converted.vendor_order_ids]) == (None, [new["id"]])
    assert await buyer.sees(order["order_id"]) == before
    path = f"/api/v1/checkout/{new['checkout_group_id']}/confirmation"
    confirmed = Confirmation.model_validate((await buyer.caller.get(path)).json()["data"])
    assert (confirmed.cart_id, confirmed.cart_vendor_groups) == (None, [])


async def test_many_retries_at_once_make_one_order(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await market.expired(buyer, (flower, 1))
    answers = await asyncio.gather(*(buyer.retries(order["order_id"], key=f"k{n}") for n in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    reasons = {answer.json()["error"]["reason"] for answer in answers if answer.status_code == 409}
    assert reasons <= {"already_retried", "attempt_in_progress"}
    assert (await market.order_count(), flower.available) == (2, 999)


async def test_without_stock_it_is_409_and_may_be_tried_again(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await market.expired(buyer, (flower, 4))
    flower.available = 3
    quoted_out = await buyer.retries(order["order_id"], key="k")
    flower.available = 4
    same_key = await buyer.retries(order["order_id"], key="k")
    again = await buyer.retries(order["order_id"])

    assert (quoted_out.status_code, quoted_out.json()["error"]["reason"]) == (409, "nothing_reservable")
    assert same_key.json()["error"]["reason"] == "nothing_reservable", "a failure is the answer of its key (F-C11)"
    assert (again.status_code, flower.available) == (201, 0)


async def test_stock_that_goes_between_quote_and_reservation_is_409(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await market.expired(buyer, (flower, 4))

    async def sold_elsewhere() -> None:
        market.catalog.after_quote, flower.available = None, 3

    market.catalog.after_quote = sold_elsewhere
    answer = await buyer.retries(order["order_id"])
    flower.available = 4
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "nothing_reservable")
    assert (await market.attempts())[-1] == "aborted"
    assert (await buyer.retries(order["order_id"])).status_code == 201


async def test_quantities_are_never_changed_silently(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), title="Big")
    order = await market.expired(buyer, (flower, 4))
    flower.moq = 5
    too_few = await buyer.retries(order["order_id"])
    flower.moq, flower.max_qty = 1, 3
    too_many = await buyer.retries(order["order_id"])
    for answer, required in ((too_few, 5), (too_many, 3)):
        error = answer.json()["error"]
        assert (answer.status_code, error["reason"]) == (422, "quantity")
        assert error["details"]["violations"] == [
            {"product_id": str(flower.id), "product_name": "Big", "required_qty": required, "requested_qty": 4}
        ]
    assert market.catalog.held == {}


async def test_a_vendor_that_went_out_of_sight_is_422(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await market.expired(buyer, (flower, 4))
    flower.vendor.hidden = True
    answer = await buyer.retries(order["order_id"])
    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "vendor_not_visible")


async def test_lines_that_had_been_rejected_are_not_asked_for_again(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    kept, refused = market.product(vendor), market.product(vendor)
    order = await market.order(buyer, (kept, 1), (refused, 1))
    lines = {line["product_id"]: line["id"] for line in (await buyer.sees(order["order_id"]))["line_items"]}
    await market.seller(vendor).decides_line(order["order_id"], lines[str(refused.id)], "reject")
    for _ in range(2):
        market.world.clock.turn(timedelta(days=6))
        await market.clock_runs()

    detail = await retried(buyer, order)

    assert [line["product_id"] for line in detail["line_items"]] == [str(kept.id)]


async def test_a_line_that_cannot_be_had_is_rejected_and_the_others_are_bought(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    kept, gone = market.product(vendor), market.product(vendor)
    order = await market.expired(buyer, (kept, 2), (gone, 1))
    gone.active, gone.moq = False, 2
    detail = await retried(buyer, order)
    found = {line["product_id"]: (line["status"], line["quantity"], line["notes"]) for line in detail["line_items"]}
    note = "clamped_to_moq; not_available"
    assert found == {str(kept.id): ("pending", 2, None), str(gone.id): ("rejected", 1, note)}
    assert detail["order"]["total_cents"] == 3000


async def test_only_an_expired_order_of_a_verified_buyer_is_retried(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    order = await market.expired(buyer, (flower, 1))
    fresh = await market.order(buyer, (flower, 1))
    pending = await buyer.retries(fresh["order_id"])
    lapsed = market.member(store_id=buyer.store_id, kyc_status=Kyc.EXPIRED)
    assert (pending.status_code, pending.json()["error"]["details"]) == (
        422,
        {"from": "created_pending", "action": "retry"},
    )
    assert (await lapsed.retries(order["order_id"])).status_code == 403


@pytest.mark.parametrize(
    "step",
    [
        "orders.attempt.before_commit",
        "orders.attempt.after_commit",
        "orders.reserve.before_call",
        "orders.reserve.after_answer",
        "orders.checkout.before_commit",
        "orders.checkout.after_commit",
    ],
)
async def test_crash_at_every_step_of_a_retry_then_retry(market: Any, buyer: Any, step: str) -> None:
    flower = market.product(market.vendor(), available=10)
    order = await market.expired(buyer, (flower, 4))
    failpoints.arm(f"{step}=error@1")
    assert (await buyer.retries(order["order_id"], key="k")).status_code == 500
    failpoints.arm("")
    flower.price_cents = 9_999
    market.world.clock.turn(LAPSED)
    answer = await buyer.retries(order["order_id"], key="k")
    again = await buyer.retries(order["order_id"], key="k")
    assert answer.status_code == 201, answer.text
    assert again.json() == answer.json()
    assert (await market.order_count(), flower.available) == (2, 6)
    assert len(await market.world.emitted(OrderRetried)) == 1


async def test_the_completer_finishes_a_retry_without_its_client(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), available=10)
    order = await market.expired(buyer, (flower, 4))
    failpoints.arm("orders.reserve.after_answer=error@1")
    await buyer.retries(order["order_id"], key="k")
    failpoints.arm("")
    other = await buyer.retries(order["order_id"])
    market.world.clock.turn(LAPSED)
    await market.completer_runs()
    replay = await buyer.retries(order["order_id"], key="k")
    [event] = await market.world.emitted(OrderRetried)
    assert (other.status_code, other.json()["error"]["reason"]) == (409, "attempt_in_progress")
    assert other.headers["retry-after"]
    assert (replay.status_code, replay.headers["idempotency-replayed"]) == (201, "true")
    assert replay.json()["data"]["order_id"] == str(event.order_id)
    assert (await market.order_count(), flower.available) == (2, 6)


async def test_catalog_away_is_503_and_the_order_stays_as_it_was(market: Any, buyer: Any) -> None:
    order = await market.expired(buyer, (market.product(market.vendor()), 1))
    market.catalog.away = True
    answer = await buyer.retries(order["order_id"], key="k")
    market.catalog.away = False
    assert (answer.status_code, answer.json()["error"]["details"]) == (503, {"service": "catalog"})
    assert (await buyer.retries(order["order_id"], key="k")).status_code == 201
