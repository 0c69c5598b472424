"""The last unit is sold once, whoever comes and however many processes serve."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest
from markets import Market, a_key, at_rest, books_balance, open_market

from packhouse.actors import Reply
from packhouse.eventually import eventually
from packhouse.stack import Stack

BUYERS = 50
UNITS = 10


@pytest.fixture(params=[1, 3], ids=["one-process", "three-processes"])
async def crowd(stack: Stack, http: httpx.AsyncClient, request: pytest.FixtureRequest) -> AsyncIterator[Market]:
    """Fifty buyers in front of one vendor, served by one or three processes each of orders and catalog."""
    stack.scale("orders", request.param)
    stack.scale("catalog", request.param)
    yield await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=BUYERS)
    stack.scale("orders", 1)
    stack.scale("catalog", 1)


async def _all_check_out(market: Market, sku: str) -> list[Reply]:
    carts = await asyncio.gather(*(market.filled_cart(buyer, {sku: 1}) for buyer in market.buyers))
    return await asyncio.gather(*(buyer.checks_out(cart) for buyer, cart in zip(market.buyers, carts, strict=True)))


async def test_fifty_buyers_for_ten_units_make_exactly_ten_orders(crowd: Market, database: asyncpg.Connection) -> None:
    scarce = await crowd.lists(crowd.vendors[0], "SCARCE", units=UNITS)

    answers = await _all_check_out(crowd, "SCARCE")

    assert Counter(answer.status for answer in answers) == {201: UNITS, 409: BUYERS - UNITS}
    for answer in answers:
        if answer.status == 409:
            assert answer.reason == "nothing_reservable"
            assert answer.error["details"]["lines"][0]["reason"] == "insufficient_inventory"
    stock = await crowd.vendors[0].sees_stock(scarce["id"])
    assert (stock["available_qty"], stock["reserved_qty"]) == (0, UNITS)
    await eventually(lambda: at_rest(database), within=30)
    await books_balance(database)


async def test_a_hundred_carts_on_a_hot_product_with_ample_stock_all_become_orders(
    stack: Stack, http: httpx.AsyncClient, database: asyncpg.Connection
) -> None:
    market = await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=100)
    await market.lists(market.vendors[0], "AMPLE", units=10_000)

    answers = await _all_check_out(market, "AMPLE")

    assert Counter(answer.status for answer in answers) == {201: 100}
    await eventually(lambda: at_rest(database), within=30)
    await books_balance(database)


async def test_one_cart_submitted_five_times_at_once_with_one_key_makes_one_group(
    market: Market, database: asyncpg.Connection
) -> None:
    await market.lists(market.vendors[0], "ONCE", units=100)
    buyer, key = market.buyers[0], a_key()
    cart = await market.filled_cart(buyer, {"ONCE": 2})

    answers = await asyncio.gather(*(buyer.checks_out(cart, key=key) for _ in range(5)))

    made = [answer for answer in answers if answer.status == 201]
    assert made
    assert len({answer.data["checkout_group_id"] for answer in made}) == 1
    assert all(answer.data == made[0].data for answer in made)
    for answer in answers:
        assert answer.status == 201 or (answer.status, answer.reason) == (409, "request_in_progress")
    groups = await database.fetchval("select count(*) from orders.checkout_groups where cart_id = $1::uuid", cart)
    assert groups == 1
