"""Checkouts of three lines from two vendors by sixteen buyers at once, and the bare two-service chain."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import uuid4

import aiohttp

from bench.bare import BareTrade
from bench.figures import CONNECTIONS, Figures, driven
from bench.floors.trade import SCHEMA
from bench.house import BUYERS, House, fill_carts
from packhouse.actors import OKLAHOMA_CITY, Buyer

Measure = Callable[[], Awaitable[Figures]]

BARE_PRODUCTS = 300
ATTACKERS, ATTACK_SECONDS = 50, 1.0


class Checkouts:
    """Carts are filled before the clock starts. Both sides are driven by the same client."""

    def __init__(self, house: House, bare: BareTrade) -> None:
        self._house, self._bare = house, bare

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        database = await self._house.admin_database()
        await database.execute(SCHEMA)
        stock = "insert into bare.stock (id, available) select gen_random_uuid(), 100000 from generate_series(1, $1)"
        await database.execute(stock, BARE_PRODUCTS)
        self._products = [str(row["id"]) for row in await database.fetch("select id from bare.stock")]
        await database.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def house(self) -> Figures:
        """Every buyer checks out once."""
        return await self._through(self._house.stack.gateway_url)

    async def _through(self, gateway: str) -> Figures:
        carts = await fill_carts(self._house)
        return await driven([self._checkout(gateway, buyer, cart) for buyer, cart in carts], at_once=CONNECTIONS)

    @asynccontextmanager
    async def guarded(self) -> AsyncIterator[tuple[Measure, Measure]]:
        """The same through a gateway that keeps its limits: while fifty at a time try passwords, and in peace."""
        gateway = await asyncio.to_thread(
            self._house.stack.add, "gateway", environment={"PACKHOUSE_RATE_LIMITS": "true"}
        )

        async def attacked() -> Figures:
            attackers = [asyncio.create_task(self._guesses(gateway.url)) for _ in range(ATTACKERS)]
            try:
                return await self._through(gateway.url)
            finally:
                for attacker in attackers:
                    attacker.cancel()
                await asyncio.gather(*attackers, return_exceptions=True)

        try:
            yield attacked, lambda: self._through(gateway.url)
        finally:
            await asyncio.to_thread(gateway.stop)

    async def _guesses(self, gateway: str) -> None:
        """A password a second, for ever."""
        async with aiohttp.ClientSession() as http:
            while True:
                body = {"email": f"nobody-{uuid4().hex}@example.net", "password": uuid4().hex}
                async with http.post(f"{gateway}/api/v1/auth/login", json=body) as answer:
                    await answer.read()
                await asyncio.sleep(ATTACK_SECONDS)

    async def bare(self) -> Figures:
        return await driven([self._bare_checkout(place) for place in range(BUYERS)], at_once=CONNECTIONS)

    def _checkout(self, gateway: str, buyer: Buyer, cart: str) -> Callable[[], Awaitable[bool]]:
        body = {"cart_id": cart, "shipping_address": OKLAHOMA_CITY, "payment_method": "cash", "tip_cents": 100}
        headers = {"Authorization": f"Bearer {buyer.token}", "Idempotency-Key": uuid4().hex}
        return self._post(f"{gateway}/api/v1/checkout", body, headers)

    def _bare_checkout(self, place: int) -> Callable[[], Awaitable[bool]]:
        first = place * 3 % (BARE_PRODUCTS - 3)
        vendors = (str(uuid4()), str(uuid4()))
        lines = [{"product": self._products[first + line], "vendor": vendors[line // 2], "qty": 1} for line in range(3)]
        return self._post(f"{self._bare.orders_door}/checkout", {"lines": lines}, {})

    def _post(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Callable[[], Awaitable[bool]]:
        async def post() -> bool:
            async with self._http.post(url, json=body, headers=headers) as answer:
                await answer.read()
                return answer.status == 201  # noqa: PLR2004  created

        return post
