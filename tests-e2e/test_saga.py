"""A process that dies at any step of a checkout leaves a complete order or free stock, and one answer."""

from contextlib import suppress

import asyncpg
import httpx
import pytest
from markets import Market, a_key, at_rest, books_balance

from packhouse.actors import Buyer, Reply
from packhouse.eventually import eventually
from packhouse.stack import Stack

HEALED_WITHIN = 60.0
NO_FAULT = {"PACKHOUSE_FAILPOINTS": ""}

DEATHS = [
    ("orders", "idempotency.claimed"),
    ("orders", "orders.attempt.before_commit"),
    ("orders", "orders.attempt.after_commit"),
    ("orders", "orders.reserve.before_call"),
    ("catalog", "catalog.reserve.before_commit"),
    ("catalog", "catalog.reserve.after_commit"),
    ("orders", "orders.reserve.after_answer"),
    ("orders", "orders.checkout.before_commit"),
    ("orders", "orders.checkout.after_commit"),
    ("orders", "relay.before_publish"),
    ("orders", "relay.after_confirm"),
    ("catalog", "catalog.confirm.before_commit"),
    ("catalog", "catalog.confirm.after_commit"),
]
DEATHS_OF_AN_ABORT = [("orders", "orders.abort.before_commit"), ("orders", "orders.abort.after_commit")]


async def _checks_out_while_it_dies(
    stack: Stack, service: str, failpoint: str, buyer: Buyer, cart: str, key: str
) -> None:
    stack.restart(service, environment={"PACKHOUSE_FAILPOINTS": f"{failpoint}=kill@1"})
    with suppress(httpx.TransportError):  # the connection may die with the process: the outcome is unknown
        await buyer.checks_out(cart, key=key, tip_cents=100)

    async def dead() -> bool:
        return not stack.process(service).alive

    await eventually(dead, within=30)
    stack.restart(service, environment=NO_FAULT)


async def _final_answer(buyer: Buyer, cart: str, key: str) -> Reply:
    """What the same key gets once nothing is in progress any more."""
    answers: list[Reply] = []

    async def answered() -> bool:
        answers.append(await buyer.checks_out(cart, key=key, tip_cents=100))
        return answers[-1].status != 503 and "Retry-After" not in answers[-1].headers

    await eventually(answered, within=HEALED_WITHIN, every=0.5)
    return answers[-1]


@pytest.mark.parametrize(("service", "failpoint"), DEATHS)
async def test_a_death_at_any_step_ends_in_one_complete_order(
    stack: Stack, market: Market, database: asyncpg.Connection, service: str, failpoint: str
) -> None:
    flower, gummies = market.vendors
    await market.lists(flower, "SAGA-A", units=10)
    await market.lists(gummies, "SAGA-B", units=5)
    buyer, key = market.buyers[0], a_key()
    cart = await market.filled_cart(buyer, {"SAGA-A": 2, "SAGA-B": 1})

    await _checks_out_while_it_dies(stack, service, failpoint, buyer, cart, key)
    answer = await _final_answer(buyer, cart, key)
    await eventually(lambda: at_rest(database), within=HEALED_WITHIN)

    assert answer.status == 201, answer
    assert len(answer.data["vendor_orders"]) == 2
    assert sum(order["tip_cents"] for order in answer.data["vendor_orders"]) == 100
    again = await buyer.checks_out(cart, key=key, tip_cents=100)
    assert (again.status, again.data) == (answer.status, answer.data)
    groups = await database.fetchval("select count(*) from orders.checkout_groups where cart_id = $1::uuid", cart)
    assert groups == 1
    await books_balance(database)


@pytest.mark.parametrize(("service", "failpoint"), DEATHS_OF_AN_ABORT)
async def test_a_death_while_aborting_leaves_no_order_and_no_held_stock(
    stack: Stack, market: Market, database: asyncpg.Connection, service: str, failpoint: str
) -> None:
    vendor, buyer, key = market.vendors[0], market.buyers[0], a_key()
    goods = await market.lists(vendor, "GONE", units=3)
    cart = await market.filled_cart(buyer, {"GONE": 3})
    (await vendor.sets_stock(goods["id"], 0)).expect(200)

    await _checks_out_while_it_dies(stack, service, failpoint, buyer, cart, key)
    answer = await _final_answer(buyer, cart, key)
    await eventually(lambda: at_rest(database), within=HEALED_WITHIN)

    assert (answer.status, answer.reason) == (409, "nothing_reservable")
    again = await buyer.checks_out(cart, key=key, tip_cents=100)
    assert (again.status, again.error["reason"]) == (409, "nothing_reservable")
    assert not await database.fetchval("select count(*) from orders.checkout_groups where cart_id = $1::uuid", cart)
    await books_balance(database)
