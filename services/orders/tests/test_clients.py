"""One suite for catalog as orders knows it: the client over HTTP and its fake twin keep the same promises."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from chassis.answer import refused
from chassis.auth import SigningKey
from chassis.calls import Calls, OnBehalf
from contracts.catalog import QuoteItem, QuoteRequest, ReserveCommand, ReserveLine
from kernel.refusal import NotFound, Refusal, Unavailable
from orders.clients.catalog import HttpCatalog
from orders.clients.fake_catalog import FakeCatalog, FakeProduct, FakeVendor

CONTEXT = OnBehalf()


@pytest.fixture
def shop() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture(params=["fake", "http"])
async def catalog(request: pytest.FixtureRequest, shop: FakeCatalog) -> AsyncIterator[Any]:
    """The twin itself, or the HTTP client in front of a server that speaks catalog's wire with the twin behind it."""
    if request.param == "fake":
        yield shop
        return
    runner = web.AppRunner(_served(shop))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    calls = Calls("orders", SigningKey.generate())
    port = runner.addresses[0][1]
    yield HttpCatalog(calls.to("catalog", f"http://127.0.0.1:{port}"))
    await calls.close()
    await runner.cleanup()


def _served(shop: FakeCatalog) -> web.Application:
    async def answered(call: Any, body: Any) -> web.Response:
        try:
            answer = await call(body, context=CONTEXT)
        except Refusal as refusal:
            told = refused(refusal, "test")
            return web.Response(body=told.body, status=told.status, content_type="application/json")
        return web.json_response({"data": answer.model_dump(mode="json")})

    async def quotes(request: web.Request) -> web.Response:
        return await answered(shop.quote, QuoteRequest.model_validate_json(await request.read()))

    async def reservations(request: web.Request) -> web.Response:
        assert request.headers["Idempotency-Key"]
        return await answered(shop.reserve, ReserveCommand.model_validate_json(await request.read()))

    app = web.Application()
    app.router.add_post("/internal/v1/quotes", quotes)
    app.router.add_post("/internal/v1/reservations", reservations)
    return app


def product(shop: FakeCatalog, **changes: Any) -> FakeProduct:
    values = {"vendor": FakeVendor(name="Green"), "title": "Flower", "price_cents": 1500, "available": 10}
    return shop.add(FakeProduct(**{**values, **changes}))


def asked(flower: FakeProduct, quantity: int) -> QuoteRequest:
    item = QuoteItem(product_id=flower.id, vendor_store_id=flower.vendor.id, quantity=quantity)
    return QuoteRequest(buyer_store_id=uuid4(), items=[item])


def wanted(*lines: tuple[FakeProduct, int]) -> ReserveCommand:
    return ReserveCommand(
        checkout_id=uuid4(),
        buyer_store_id=uuid4(),
        buyer_state="OK",
        lines=[
            ReserveLine(line_id=uuid4(), product_id=flower.id, vendor_store_id=flower.vendor.id, qty=quantity)
            for flower, quantity in lines
        ],
    )


async def test_a_quote_prices_and_clamps(catalog: Any, shop: FakeCatalog) -> None:
    flower = product(shop, moq=5, available=100, tiers={5: Decimal("2.5")})
    [item] = (await catalog.quote(asked(flower, 1), context=CONTEXT)).items
    assert (item.quantity, item.line_subtotal_cents, item.line_discounts_cents) == (5, 7500, 188)
    assert [warning.type for warning in item.warnings] == ["clamped_to_moq"]


async def test_a_product_that_never_existed_is_not_found(catalog: Any, shop: FakeCatalog) -> None:
    stranger = FakeProduct(vendor=FakeVendor(name="Red"), title="None", price_cents=1, available=1)
    with pytest.raises(NotFound):
        await catalog.quote(asked(stranger, 1), context=CONTEXT)


async def test_a_repeated_reserve_is_answered_as_the_first_time(catalog: Any, shop: FakeCatalog) -> None:
    first, second = product(shop, available=3), product(shop, available=1)
    command = wanted((first, 3), (second, 2))
    answer = await catalog.reserve(command, context=CONTEXT)
    second.available = 100
    assert await catalog.reserve(command, context=CONTEXT) == answer
    assert [(line.reserved, line.reason) for line in answer.lines] == [(True, None), (False, "insufficient_inventory")]
    assert (first.available, second.available) == (0, 100)


async def test_a_forbidden_quantity_reserves_nothing(catalog: Any, shop: FakeCatalog) -> None:
    capped, other = product(shop, max_qty=2), product(shop)
    answer = await catalog.reserve(wanted((other, 1), (capped, 3)), context=CONTEXT)
    assert (answer.outcome, answer.lines, other.available) == ("violated", (), 10)
    assert [(v.required_qty, v.requested_qty) for v in answer.violations] == [(2, 3)]


async def test_an_aborted_checkout_reserves_nothing(catalog: Any, shop: FakeCatalog) -> None:
    flower = product(shop)
    command = wanted((flower, 1))
    shop.aborted.add(command.checkout_id)
    assert (await catalog.reserve(command, context=CONTEXT)).outcome == "aborted"
    assert flower.available == 10


async def test_no_answer_is_unavailable(catalog: Any, shop: FakeCatalog) -> None:
    flower = product(shop)
    shop.away = True
    with pytest.raises(Unavailable) as refusal:
        await catalog.quote(asked(flower, 1), context=CONTEXT)
    assert refusal.value.details == {"service": "catalog"}
    with pytest.raises(Unavailable):
        await catalog.reserve(wanted((flower, 1)), context=CONTEXT)
