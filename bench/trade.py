"""Checkouts of three lines from two vendors by sixteen buyers at once, and the bare two-service chain."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self
from uuid import uuid4

import aiohttp

from bench.bare import BareTrade
from bench.figures import CONNECTIONS, Figures, driven
from bench.floors.trade import SCHEMA
from bench.house import BUYERS, House, fill_carts
from packhouse.actors import OKLAHOMA_CITY, Buyer

BARE_PRODUCTS = 300


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
        carts = await fill_carts(self._house)
        return await driven([self._checkout(buyer, cart) for buyer, cart in carts], at_once=CONNECTIONS)

    async def bare(self) -> Figures:
        return await driven([self._bare_checkout(place) for place in range(BUYERS)], at_once=CONNECTIONS)

    def _checkout(self, buyer: Buyer, cart: str) -> Callable[[], Awaitable[bool]]:
        body = {"cart_id": cart, "shipping_address": OKLAHOMA_CITY, "payment_method": "cash", "tip_cents": 100}
        headers = {"Authorization": f"Bearer {buyer.token}", "Idempotency-Key": uuid4().hex}
        return self._post(f"{self._house.stack.gateway_url}/api/v1/checkout", body, headers)

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
