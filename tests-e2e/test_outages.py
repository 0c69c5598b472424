"""Each server or service may go away during trade: the others answer as documented, nothing is lost."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest
import redis.asyncio
from markets import Market, a_key, at_rest, books_balance
from papers import unseen

from chassis.bus import connect, dead_letter_queue
from contracts.event_map import event_map
from packhouse.actors import Buyer, Reply, product
from packhouse.eventually import eventually
from packhouse.files import PDF, PNG, document
from packhouse.stack import Stack

ANSWERS_WITHIN = 5.0
OUTAGES = [
    10.0,
    pytest.param(60.0, marks=[pytest.mark.long, pytest.mark.timeout(240)]),
    pytest.param(600.0, marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
]
DRAINED_WITHIN = 60.0


@asynccontextmanager
async def trade_going_on(market: Market, sku: str) -> AsyncIterator[list[Reply]]:
    """Both buyers fill carts and check out, over and over; yields the answers of the checkouts as they come."""
    answers: list[Reply] = []
    over = asyncio.Event()

    async def trades(buyer: Buyer) -> None:
        while not over.is_set():
            cart = await buyer.fills_cart({market.line(sku): 1})
            answers.append(await buyer.checks_out(cart.data["id"]) if cart.ok else cart)
            await asyncio.sleep(0.05)

    working = [asyncio.create_task(trades(buyer)) for buyer in market.buyers]
    try:
        yield answers
    finally:
        over.set()
        await asyncio.gather(*working)


async def parked(stack: Stack) -> dict[str, int]:
    """How many messages each service that hears has in its dead-letter queue."""
    connection = await connect(stack.servers.rabbitmq.url, "test")
    async with connection:
        channel = await connection.channel()
        queues = {
            name: await channel.declare_queue(dead_letter_queue(name), passive=True)
            for name in sorted({name for names in event_map().values() for name in names})
        }
        return {name: int(queue.declaration_result.message_count or 0) for name, queue in queues.items()}


async def test_redis_flushed_during_trade_signs_nobody_out_and_loses_nothing(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    await market.lists(market.vendors[0], "FLUSH", units=10_000)
    store = redis.asyncio.from_url(stack.servers.redis.url, protocol=2)

    async with trade_going_on(market, "FLUSH") as answers:
        for _ in range(5):
            await asyncio.sleep(0.5)
            await store.flushall()
        await asyncio.sleep(0.5)
    await store.aclose()

    assert len(answers) > 10
    assert {answer.status for answer in answers} == {201}
    await eventually(lambda: at_rest(database), within=30)
    await books_balance(database)


@pytest.mark.parametrize("outage", OUTAGES)
async def test_broker_outage_of_10_minutes_loses_and_parks_nothing(
    stack: Stack, market: Market, database: asyncpg.Connection, outage: float
) -> None:
    await market.lists(market.vendors[0], "BROKER", units=100_000)
    parked_before = await parked(stack)

    async with trade_going_on(market, "BROKER") as answers:
        await asyncio.to_thread(stack.servers.rabbitmq.kill)
        before = len(answers)
        await asyncio.sleep(outage)
        during = answers[before:]
        await asyncio.to_thread(stack.servers.rabbitmq.start)

    assert len(during) > 10
    assert {answer.status for answer in answers} == {201}
    await eventually(lambda: at_rest(database), within=DRAINED_WITHIN + outage / 2)
    orders = await database.fetchval(
        "select count(*) from orders.vendor_orders where vendor_store_id = $1::uuid", market.vendors[0].store_id
    )
    assert orders == len(answers)
    assert await parked(stack) == parked_before
    await books_balance(database)


async def test_without_catalog_browse_and_checkout_answer_503_and_the_rest_works(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    await market.lists(market.vendors[0], "AWAY", units=10)
    buyer = market.buyers[0]
    cart = await market.filled_cart(buyer, {"AWAY": 2})

    stack.process("catalog").kill()
    try:
        for ask in (buyer.get("/api/v1/products", state="OK"), buyer.checks_out(cart, key="away")):
            began = time.monotonic()
            answer = await ask
            assert (answer.status, answer.error["code"]) == (503, "DEPENDENCY_ERROR")
            assert "Retry-After" in answer.headers
            assert time.monotonic() - began < ANSWERS_WITHIN
        assert (await buyer.get("/api/v1/cart")).status == 200
        assert (await buyer.get("/api/v1/orders")).status == 200
        assert (await buyer.get("/api/v1/stores/me")).status == 200
    finally:
        stack.restart("catalog")

    async def finished() -> bool:
        return (await buyer.checks_out(cart, key="away")).status == 201

    await eventually(finished, within=60, every=0.5)
    await eventually(lambda: at_rest(database), within=60)
    await books_balance(database)


async def test_without_media_goods_are_listed_and_licences_are_made_of_what_has_arrived(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    """Services attach what they know of while media is away (reliability, deviations); signed addresses are missing."""
    vendor, buyer = market.vendors[0], market.buyers[0]
    shown, scan = await vendor.has_picture(), await vendor.uploads("license_doc", document("away"), PDF)
    await market.lists(vendor, "BEFORE", units=10)
    await eventually(lambda: at_rest(database), within=30)

    stack.process("media").kill()
    try:
        away = await vendor.presigns("product", 100, PNG, file_name="away.png")
        listed = (await vendor.lists(product("DURING", "Listed without media"))).expect(201)
        applied = (await vendor.adds_licence(scan, f"AWAY-{a_key()}")).expect(201)
        shelf = (await vendor.get("/api/v1/licenses")).expect(200)["items"]
        detail = (await buyer.get(f"/api/v1/products/{market.goods['BEFORE']['id']}")).expect(200)
        bought = await buyer.checks_out(await market.filled_cart(buyer, {"BEFORE": 1}))
        unknown = await vendor.lists(product("UNKNOWN", "Of an unknown picture", media_ids=[str(uuid4())]))
    finally:
        stack.restart("media")

    assert (away.status, away.error["code"]) == (503, "DEPENDENCY_ERROR")
    assert (unknown.status, unknown.error["code"]) == (503, "DEPENDENCY_ERROR")
    assert bought.status == 201
    assert [one["signed_url"] for one in shelf if one["id"] == applied["id"]] == [None]
    assert [one["media_id"] for one in detail["media"]] == [shown]
    await eventually(lambda: at_rest(database), within=60)
    assert await unseen(database) == []
    assert (await vendor.deletes_medium(scan)).status == 409
    assert (await vendor.get(f"/api/v1/vendor/products/{listed['id']}")).expect(200)["media"][0]["media_id"] == shown
