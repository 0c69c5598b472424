"""Fakes and real clients answer alike: one suite, both twins."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from catalog.clients.identity import FakeIdentity, HttpIdentity, IdentityClient
from catalog.clients.media import FakeMedia, HttpMedia, MediaClient
from catalog.clients.orders import FakeOrders, HttpOrders, OrdersClient
from chassis.auth import SigningKey
from chassis.calls import Calls, OnBehalf
from contracts.identity import StoreChanged
from contracts.media import MediaChanged, ReadUrl, ReadUrls
from contracts.orders import ResolveAnswer
from contracts.values import Address
from kernel.refusal import Unavailable

ORDER, LINE = uuid4(), uuid4()
COMMITTED = ResolveAnswer(outcome="committed", order_ids={LINE: ORDER})
STORE = StoreChanged(
    store_id=uuid4(),
    version=3,
    type="vendor",
    company_name="Company",
    kyc_status="verified",
    owner_user_id=uuid4(),
    address=Address(line1="1 Main St", city="Tulsa", state="OK", postal_code="74103"),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
)
PICTURE = MediaChanged(
    media_id=uuid4(),
    version=2,
    store_id=uuid4(),
    kind="product",
    status="uploaded",
    mime_type="image/png",
    size_bytes=1,
    file_name="a.png",
    gcs_key="key",
)
SIGNED = f"https://signed.test/{PICTURE.media_id}"


@dataclass
class Other:
    """The three services as a server that keeps the routes of spec 1.10 shows them."""

    checkout_id: UUID
    away: bool = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/internal/v1/checkouts/{id}/resolve", self.resolve)
        app.router.add_get("/internal/v1/stores/{id}", self.store)
        app.router.add_get("/internal/v1/media/{id}", self.medium)
        app.router.add_post("/internal/v1/media/read-urls", self.read_urls)
        return app

    async def resolve(self, request: web.Request) -> web.Response:
        known = request.match_info["id"] == str(self.checkout_id)
        answer = COMMITTED if known else ResolveAnswer(outcome="aborted")
        return self._answer(answer.model_dump(mode="json") | {"added_later": 1})

    async def store(self, request: web.Request) -> web.Response:
        known = request.match_info["id"] == str(STORE.store_id)
        return self._answer(STORE.model_dump(mode="json") if known else None)

    async def medium(self, request: web.Request) -> web.Response:
        known = request.match_info["id"] == str(PICTURE.media_id)
        return self._answer(PICTURE.model_dump(mode="json") if known else None)

    async def read_urls(self, request: web.Request) -> web.Response:
        asked = [UUID(media_id) for media_id in (await request.json())["media_ids"]]
        read = [ReadUrl(media_id=one, url=SIGNED if one == PICTURE.media_id else None) for one in asked]
        return self._answer(ReadUrls(urls=read).model_dump(mode="json"))

    def _answer(self, data: Any) -> web.Response:
        if self.away:
            return web.json_response(
                {"error": {"code": "DEPENDENCY_ERROR", "message": "x", "request_id": "r"}}, status=503
            )
        if data is None:
            return web.json_response({"error": {"code": "NOT_FOUND", "message": "x", "request_id": "r"}}, status=404)
        return web.json_response({"data": data})


@dataclass
class Twins:
    orders: OrdersClient
    identity: IdentityClient
    media: MediaClient
    checkout_id: UUID
    switch: Any

    def go_away(self) -> None:
        for one in self.switch:
            one.away = True


@pytest.fixture(params=["fake", "http"])
async def twins(request: pytest.FixtureRequest) -> AsyncIterator[Twins]:
    checkout_id = uuid4()
    if request.param == "fake":
        orders, identity, media = FakeOrders(), FakeIdentity(), FakeMedia()
        orders.answers[checkout_id] = COMMITTED
        identity.stores[STORE.store_id] = STORE
        media.media[PICTURE.media_id] = PICTURE
        yield Twins(orders, identity, media, checkout_id, [orders, identity, media])
        return
    other = Other(checkout_id)
    runner = web.AppRunner(other.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    calls = Calls("catalog", SigningKey.generate())
    yield Twins(
        HttpOrders(calls.to("orders", address)),
        HttpIdentity(calls.to("identity", address)),
        HttpMedia(calls.to("media", address)),
        checkout_id,
        [other],
    )
    await calls.close()
    await runner.cleanup()


async def test_a_committed_checkout_is_told_with_the_orders_of_its_lines(twins: Any) -> None:
    assert await twins.orders.resolve(twins.checkout_id, OnBehalf()) == COMMITTED


async def test_an_unknown_checkout_is_aborted(twins: Any) -> None:
    assert (await twins.orders.resolve(uuid4(), OnBehalf())).outcome == "aborted"


async def test_a_store_is_told_as_it_is_and_an_unknown_one_as_none(twins: Any) -> None:
    assert await twins.identity.store(STORE.store_id, OnBehalf()) == STORE
    assert await twins.identity.store(uuid4(), OnBehalf()) is None


async def test_a_medium_is_told_as_it_is_and_an_unknown_one_as_none(twins: Any) -> None:
    assert await twins.media.medium(PICTURE.media_id, OnBehalf()) == PICTURE
    assert await twins.media.medium(uuid4(), OnBehalf()) is None


async def test_urls_come_for_what_can_be_read(twins: Any) -> None:
    assert await twins.media.read_urls([uuid4(), PICTURE.media_id], OnBehalf()) == {PICTURE.media_id: SIGNED}


async def test_a_service_that_is_away_is_unavailable(twins: Any) -> None:
    twins.go_away()

    with pytest.raises(Unavailable):
        await twins.orders.resolve(twins.checkout_id, OnBehalf())
    with pytest.raises(Unavailable):
        await twins.identity.store(STORE.store_id, OnBehalf())
    with pytest.raises(Unavailable):
        await twins.media.medium(PICTURE.media_id, OnBehalf())
    with pytest.raises(Unavailable):
        await twins.media.read_urls([PICTURE.media_id], OnBehalf())
