"""A process that dies at any step of a checkout leaves a complete order or free stock, and one answer.

All the deaths come first, one checkout each; then the house is left alone, and everything must be settled within 60 s.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import httpx
import pytest
from faults import arm
from markets import Market, a_key, at_rest, books_balance, open_market

from packhouse.actors import Buyer, Reply
from packhouse.eventually import eventually
from packhouse.stack import Stack

HEALED_WITHIN = 60.0

DEATHS = {
    "idempotency.claimed": "orders",
    "orders.attempt.before_commit": "orders",
    "orders.attempt.after_commit": "orders",
    "orders.reserve.before_call": "orders",
    "catalog.reserve.before_commit": "catalog",
    "catalog.reserve.after_commit": "catalog",
    "orders.reserve.after_answer": "orders",
    "orders.checkout.before_commit": "orders",
    "orders.checkout.after_commit": "orders",
    "relay.before_publish": "orders",
    "relay.after_confirm": "orders",
    "catalog.confirm.before_commit": "catalog",
    "catalog.confirm.after_commit": "catalog",
}
DEATHS_OF_AN_ABORT = {"orders.abort.before_commit": "orders", "orders.abort.after_commit": "orders"}


@dataclass(slots=True)
class Checkout:
    """One that met a death, and may be asked for again."""

    buyer: Buyer
    cart: str
    key: str

    async def again(self) -> Reply:
        return await self.buyer.checks_out(self.cart, key=self.key, tip_cents=100)


@dataclass(slots=True)
class Aftermath:
    """Every checkout by the failpoint it met; `calm_since` is when the last process was back."""

    checkouts: Mapping[str, Checkout]
    calm_since: float

    async def final_answer(self, failpoint: str) -> Reply:
        """What the same key gets once nothing is in progress any more; in time counts from the calm."""
        answers: list[Reply] = []

        async def answered() -> bool:
            answers.append(await self.checkouts[failpoint].again())
            return answers[-1].status != 503 and "Retry-After" not in answers[-1].headers

        await eventually(answered, within=self.calm_since + HEALED_WITHIN - time.monotonic(), every=0.5)
        return answers[-1]


@pytest.fixture(scope="module")
async def aftermath(stack: Stack) -> Aftermath:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        market = await open_market(http, run=uuid4().hex[:8], vendors=2, buyers=len(DEATHS) + len(DEATHS_OF_AN_ABORT))
        buyers = iter(market.buyers)
        met = {failpoint: await _to_be_bought(market, next(buyers), failpoint) for failpoint in DEATHS}
        met |= {failpoint: await _to_be_refused(market, next(buyers), failpoint) for failpoint in DEATHS_OF_AN_ABORT}
        for failpoint, service in (DEATHS | DEATHS_OF_AN_ABORT).items():
            await _dies_during(stack, service, failpoint, met[failpoint])
        yield Aftermath(met, time.monotonic())


async def _to_be_bought(market: Market, buyer: Buyer, failpoint: str) -> Checkout:
    one, other = f"A {failpoint}", f"B {failpoint}"
    await market.lists(market.vendors[0], one, units=10)
    await market.lists(market.vendors[1], other, units=5)
    return Checkout(buyer, await market.filled_cart(buyer, {one: 2, other: 1}), a_key())


async def _to_be_refused(market: Market, buyer: Buyer, failpoint: str) -> Checkout:
    goods = await market.lists(market.vendors[0], failpoint, units=3)
    cart = await market.filled_cart(buyer, {failpoint: 3})
    (await market.vendors[0].sets_stock(goods["id"], 0)).expect(200)
    return Checkout(buyer, cart, a_key())


async def _dies_during(stack: Stack, service: str, failpoint: str, checkout: Checkout) -> None:
    arm(stack, service, f"{failpoint}=kill@1")
    with suppress(httpx.TransportError):  # the connection may die with the process: the outcome is unknown
        await checkout.again()

    async def dead() -> bool:
        return not stack.process(service).alive

    await eventually(dead, within=30)
    arm(stack, service, "")
    stack.restart(service)


async def _groups(database: asyncpg.Connection, cart: str) -> int:
    found = await database.fetchval("select count(*) from orders.checkout_groups where cart_id = $1::uuid", cart)
    return int(found)


@pytest.mark.parametrize("failpoint", DEATHS)
@pytest.mark.timeout(400)
async def test_a_death_at_any_step_ends_in_one_complete_order(
    aftermath: Aftermath, database: asyncpg.Connection, failpoint: str
) -> None:
    answer = await aftermath.final_answer(failpoint)

    assert answer.status == 201, answer
    assert len(answer.data["vendor_orders"]) == 2
    assert sum(order["tip_cents"] for order in answer.data["vendor_orders"]) == 100
    again = await aftermath.checkouts[failpoint].again()
    assert (again.status, again.data) == (answer.status, answer.data)
    assert await _groups(database, aftermath.checkouts[failpoint].cart) == 1


@pytest.mark.parametrize("failpoint", DEATHS_OF_AN_ABORT)
async def test_a_death_while_aborting_leaves_no_order(
    aftermath: Aftermath, database: asyncpg.Connection, failpoint: str
) -> None:
    answer = await aftermath.final_answer(failpoint)

    assert (answer.status, answer.reason) == (409, "nothing_reservable")
    again = await aftermath.checkouts[failpoint].again()
    assert (again.status, again.error["details"]) == (409, answer.error["details"])
    assert await _groups(database, aftermath.checkouts[failpoint].cart) == 0


async def test_after_all_the_deaths_no_stock_is_held_and_the_books_balance(
    aftermath: Aftermath, database: asyncpg.Connection
) -> None:
    left = aftermath.calm_since + HEALED_WITHIN - time.monotonic()
    await eventually(lambda: at_rest(database), within=left)
    await books_balance(database)
