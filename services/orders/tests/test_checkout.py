"""One cart, one checkout, one order per vendor (spec 12.6, steps 1 to 6)."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from contracts.orders import CheckoutAborted, CheckoutConverted, OrderChanged, OrderCreated
from kernel.scope import Kyc, Role
from orders.api.schemas import Confirmation
from orders.domain.receipt import Checkout
from orders.repo.tables import METADATA

from .conftest import ADDRESS

SHIPPING = {"code": "van", "title": "Van", "price_cents": 1000}


MONEY = ("subtotal_cents", "discount_cents", "tax_cents", "transport_fee_cents", "shipping_cents", "tip_cents")


def item(product: Any, qty: int, status: str, notes: str | None, **amounts: int) -> dict[str, Any]:
    """A line as a checkout answers it, but for its id; amounts that are not named are 0."""
    return {
        "product_id": str(product.id),
        "product_name": product.title,
        "thumbnail": None,
        "qty": qty,
        "unit": "gram",
        "unit_price_cents": 0,
        "discount_cents": 0,
        "total_cents": 0,
        "status": status,
        "notes": notes,
        **amounts,
    }


def order(vendor: Any, status: str, *items: dict[str, Any], **amounts: int) -> dict[str, Any]:
    """An order as a checkout answers it, but for id and number; amounts that are not named are 0."""
    total = amounts.pop("total_cents", 0)
    money = {**dict.fromkeys(MONEY, 0), **amounts, "total_cents": total, "balance_due_cents": total}
    return {"vendor_store_id": str(vendor.id), "status": status, **money, "items": list(items)}


def without_ids(checkout: dict[str, Any]) -> list[str]:
    """Takes every id and number out of the answer, so that the rest can be compared whole; answers them."""
    taken = [checkout.pop("checkout_group_id")]
    for order in checkout["vendor_orders"]:
        taken += [order.pop("order_id"), str(order.pop("order_number"))]
    for lines in (
        *(o["items"] for o in checkout["vendor_orders"]),
        *(v["line_items"] for v in checkout["rejected_vendors"]),
    ):
        taken += [line.pop("line_item_id") for line in lines]
    return taken


async def test_checkout_contract_partial_vendor_and_partial_line(market: Any, buyer: Any) -> None:
    whole, partial, refused, hidden = (market.vendor(name) for name in ("Whole", "Partial", "Refused", "Hidden"))
    hidden.hidden = True
    first = market.product(whole, title="First", price_cents=2000, tiers={10: Decimal(5)})
    second, scarce = market.product(partial, title="Second", price_cents=500), market.product(partial, available=5)
    sold_out, lost = market.product(partial, available=0), market.product(refused, title="Lost", available=3)
    away = market.product(hidden, title="Away")
    cart = await buyer.wants((first, 10), (second, 2), (scarce, 5), (sold_out, 1), (lost, 3), (away, 1))
    scarce.available, lost.available = 4, 0
    answer = await buyer.checks_out(cart["id"], tip_cents=200, shipping_line=SHIPPING)
    assert answer.status_code == 201, answer.text
    checkout = answer.json()["data"]
    Checkout.model_validate(checkout)
    ids = without_ids(checkout)
    assert len(set(ids)) == len(ids) == 1 + 3 * 2 + 6
    bought = item(first, 10, "pending", None, unit_price_cents=2_000, discount_cents=1_000, total_cents=19_000)
    charged = {"subtotal_cents": 20_000, "discount_cents": 1_000, "shipping_cents": 950, "tip_cents": 190}
    assert checkout == {
        "shipping_address": ADDRESS,
        "billing_address": None,
        "payment_method": "cash",
        "shipping_line": SHIPPING,
        "tip_cents": 200,
        "vendor_orders": [
            order(whole, "created_pending", bought, **charged, total_cents=20_140),
            order(
                partial,
                "created_pending",
                item(second, 2, "pending", None, unit_price_cents=500, total_cents=1_000),
                item(scarce, 5, "rejected", "insufficient_inventory", unit_price_cents=1_500),
                item(sold_out, 1, "rejected", "not_available"),
                subtotal_cents=1_000,
                shipping_cents=50,
                tip_cents=10,
                total_cents=1_060,
            ),
            order(refused, "rejected", item(lost, 3, "rejected", "insufficient_inventory", unit_price_cents=1_500)),
        ],
        "rejected_vendors": [
            {
                "vendor_store_id": str(hidden.id),
                "line_items": [item(away, 1, "rejected", "vendor_invalid")],
                "warnings": [{"type": "vendor_invalid", "message": "This vendor cannot sell to your store."}],
            }
        ],
    }


async def test_the_facts_of_a_checkout_are_told_once_per_order(market: Any, buyer: Any) -> None:
    one, other = market.product(market.vendor()), market.product(market.vendor(), available=0, price_cents=7)
    third = market.product(other.vendor, price_cents=100)
    checkout = await buyer.buys((one, 2), (other, 1), (third, 1), tip_cents=7)
    created = await market.world.emitted(OrderCreated)
    changed = await market.world.emitted(OrderChanged)
    [converted] = await market.world.emitted(CheckoutConverted)
    assert [str(event.order_id) for event in created] == [o["order_id"] for o in checkout["vendor_orders"]]
    assert [(event.order_id, event.version) for event in changed] == [(event.order_id, 1) for event in created]
    assert [[line.status for line in event.items] for event in created] == [["pending"], ["rejected", "pending"]]
    assert created[0].shipping_address.postal_code == "74101"
    assert [event.total_items for event in changed] == [1, 1]
    assert converted.total_cents == sum(order["total_cents"] for order in checkout["vendor_orders"]) == 3_107
    assert converted.vendor_order_ids == [event.order_id for event in created]


async def test_the_confirmation_tells_what_the_answer_told(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    checkout = await buyer.buys((flower, 2), tip_cents=5)
    [order] = checkout["vendor_orders"]
    by_group = await buyer.caller.get(f"/api/v1/checkout/{checkout['checkout_group_id']}/confirmation")
    found = Confirmation.model_validate(by_group.json()["data"])
    by_cart = await buyer.caller.get(f"/api/v1/checkout/{found.cart_id}/confirmation")
    assert by_cart.json()["data"] == by_group.json()["data"]
    assert found.cart_vendor_groups[0].total_cents == 3_000
    confirmed = found.vendor_orders[0]
    assert (str(confirmed.order_id), confirmed.amount_cents) == (order["order_id"], order["total_cents"])
    assert (confirmed.payment_status, confirmed.payment_intent) == ("unpaid", None)
    stranger = await market.member().caller.get(f"/api/v1/checkout/{found.cart_id}/confirmation")
    vendor = await market.seller(flower.vendor).caller.get(f"/api/v1/checkout/{found.cart_id}/confirmation")
    assert (stranger.status_code, vendor.status_code) == (404, 404)


async def test_all_lines_refused_is_409_and_cart_stays(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), available=2)
    cart = await buyer.wants((flower, 2))
    flower.available = 1
    answer = await buyer.checks_out(cart["id"], key="k")
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"]) == (409, "nothing_reservable")
    assert error["details"]["lines"] == [
        {
            "product_id": str(flower.id),
            "vendor_store_id": str(flower.vendor.id),
            "reason": "insufficient_inventory",
            "available_qty": 1,
        }
    ]
    assert (await buyer.caller.get("/api/v1/cart")).json()["data"] == cart
    assert await market.attempts() == ["aborted"]
    assert len(await market.world.emitted(CheckoutAborted)) == 1
    flower.available = 2
    replay = await buyer.checks_out(cart["id"], key="k")
    assert (replay.json(), replay.headers["idempotency-replayed"]) == (answer.json(), "true")
    assert (await buyer.checks_out(cart["id"])).status_code == 201


async def test_metrics_tell_how_checkouts_end_and_why_lines_are_refused(market: Any, buyer: Any) -> None:
    def told() -> list[float]:
        asked = [
            ("checkouts_total", {"outcome": "committed"}),
            ("checkouts_total", {"outcome": "nothing_reservable"}),
            ("reserve_refusals_total", {"reason": "insufficient_inventory"}),
        ]
        return [REGISTRY.get_sample_value(name, labels) or 0 for name, labels in asked]

    plenty, gone = market.product(market.vendor()), market.product(market.vendor(), available=1)
    before = told()

    await buyer.buys((plenty, 2))
    cart = await buyer.wants((gone, 1))
    gone.available = 0
    await buyer.checks_out(cart["id"])

    assert [after - earlier for after, earlier in zip(told(), before, strict=True)] == [1, 1, 1]


async def test_a_quantity_that_catalog_forbids_is_422_and_holds_nothing(market: Any, buyer: Any) -> None:
    flower, other = market.product(market.vendor(), title="Big"), market.product(market.vendor())
    cart = await buyer.wants((flower, 3), (other, 1))
    flower.moq = 5
    answer = await buyer.checks_out(cart["id"])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["reason"]) == (422, "STATE_CONFLICT", "quantity")
    assert error["details"]["violations"] == [
        {"product_id": str(flower.id), "product_name": "Big", "required_qty": 5, "requested_qty": 3}
    ]
    assert market.catalog.held == {}
    assert await market.attempts() == ["aborted"]


async def test_second_key_on_same_cart_makes_no_second_group(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    answers = await asyncio.gather(*(buyer.checks_out(cart["id"], key=f"k{n}") for n in range(10)))
    statuses = sorted(answer.status_code for answer in answers)
    reasons = {answer.json()["error"]["reason"] for answer in answers if answer.status_code == 409}
    assert statuses == [201] + [409] * 9
    assert reasons <= {"cart_converted", "attempt_in_progress"}
    assert await market.order_count() == 1
    assert flower.available == 999
    late = await buyer.checks_out(cart["id"])
    assert (late.status_code, late.json()["error"]["reason"]) == (409, "cart_converted")


async def test_converted_cart_rejects_checkout_and_new_upsert_is_new_cart(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    assert (await buyer.checks_out(cart["id"])).status_code == 201
    assert (await buyer.checks_out(cart["id"])).json()["error"]["reason"] == "cart_converted"
    assert (await buyer.caller.get("/api/v1/cart")).status_code == 404
    renewed = await buyer.wants((flower, 1))
    assert renewed["id"] != cart["id"]
    assert (await buyer.checks_out(renewed["id"])).status_code == 201


async def test_20_parallel_identical_checkouts_make_one_group_and_19_replays_or_409(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    answers = await asyncio.gather(*(buyer.checks_out(cart["id"], key="same") for _ in range(20)))
    done = [answer.json()["data"] for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code != 201]
    assert done
    assert all(one == done[0] for one in done)
    assert all(answer.status_code == 409 and answer.headers["retry-after"] for answer in refused)
    assert (await buyer.checks_out(cart["id"], key="same")).json()["data"] == done[0]
    assert (await market.order_count(), flower.available) == (1, 999)


async def test_discount_shown_is_discount_charged(market: Any, buyer: Any) -> None:
    vendor = market.vendor()
    flower = market.product(vendor, price_cents=333, tiers={3: Decimal("2.5")})
    cart = await buyer.wants((flower, 3))
    flower.price_cents, flower.tiers = 9_999, {}
    assert (await buyer.checks_out(cart["id"])).status_code == 201
    [created] = await market.world.emitted(OrderCreated)
    [changed] = await market.world.emitted(OrderChanged)
    shown = (cart["subtotal_cents"], cart["discounts_cents"], cart["total_cents"])
    assert shown == (999, 25, 974)
    assert (created.subtotal_cents, created.discounts_cents, created.total_cents) == shown
    assert (changed.subtotal_cents, changed.discounts_cents, changed.balance_due_cents) == shown
    assert created.items[0].discount_cents == changed.lines[0].discount_cents == 25


async def test_tip_and_shipping_are_in_the_totals(market: Any, buyer: Any) -> None:
    dear, cheap = (
        market.product(market.vendor(), price_cents=85_500),
        market.product(market.vendor(), price_cents=28_500),
    )
    checkout = await buyer.buys((dear, 1), (cheap, 1), tip_cents=100, shipping_line=SHIPPING)
    shares = [(o["tip_cents"], o["shipping_cents"], o["total_cents"]) for o in checkout["vendor_orders"]]
    assert shares == [(75, 750, 86_325), (25, 250, 28_775)]
    changed = await market.world.emitted(OrderChanged)
    assert [(o.tip_cents, o.shipping_cents, o.balance_due_cents) for o in changed] == shares


async def test_an_expired_quote_is_409_and_a_new_one_sells(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    market.world.clock.turn(timedelta(minutes=16))
    answer = await buyer.checks_out(cart["id"])
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "quote_expired")
    again = await buyer.wants((flower, 1))
    assert (await buyer.checks_out(again["id"])).status_code == 201


async def test_what_a_checkout_refuses_before_it_reserves(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    stranger = await market.member().checks_out(cart["id"])
    unknown = await buyer.checks_out(str(uuid4()))
    ach = await buyer.checks_out(cart["id"], payment_method="ach")
    negative = await buyer.checks_out(cart["id"], tip_cents=-1)
    fraction = await buyer.checks_out(cart["id"], tip_cents=1.5)
    keyless = await buyer.caller.post("/api/v1/checkout", {"cart_id": cart["id"]})
    assert (stranger.status_code, unknown.status_code) == (404, 404)
    assert stranger.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert [answer.status_code for answer in (ach, negative, fraction, keyless)] == [400] * 4
    assert ach.json()["error"]["details"] == {"payment_method": "is invalid"}
    assert negative.json()["error"]["details"] == {"tip_cents": "must be at least 0"}
    assert market.catalog.reserve_calls == 0


@pytest.mark.parametrize(("role", "status"), [(Role.MANAGER, 201), (Role.OPS, 201), (Role.STAFF, 403)])
async def test_who_may_check_out(market: Any, role: Role, status: int) -> None:
    buyer = market.member()
    cart = await buyer.wants((market.product(market.vendor()), 1))
    colleague = market.member(store_id=buyer.store_id, role=role)
    assert (await colleague.checks_out(cart["id"])).status_code == status


@pytest.mark.parametrize(
    ("kyc", "reason"),
    [
        (Kyc.SUSPENDED, "store_suspended"),
        (Kyc.EXPIRED, "not_verified"),
        (Kyc.REJECTED, "not_verified"),
        (Kyc.PENDING_VERIFICATION, "not_verified"),
    ],
)
async def test_a_store_that_is_no_longer_verified_cannot_check_out(market: Any, kyc: Kyc, reason: str) -> None:
    buyer = market.member()
    cart = await buyer.wants((market.product(market.vendor()), 1))
    unverified = market.member(store_id=buyer.store_id, kyc_status=kyc)
    answer = await unverified.checks_out(cart["id"])
    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, reason)
    assert market.catalog.reserve_calls == 0


async def test_the_database_itself_refuses_amounts_that_do_not_add_up(market: Any, buyer: Any) -> None:
    checkout = await buyer.buys((market.product(market.vendor()), 1))
    order_id = UUID(checkout["vendor_orders"][0]["order_id"])
    constraints = {str(check.name) for check in METADATA.tables["orders.vendor_orders"].constraints}
    assert "ck_vendor_orders_total" in constraints
    for change in ("total_cents = total_cents + 1", "status = 'rejected'", "buyer_store_id = vendor_store_id"):
        async with market.world.db.reader() as db:
            with pytest.raises(Exception, match="VALIDATION_ERROR"):
                await db.fetch(f"update vendor_orders set {change} where id = $1", order_id)
