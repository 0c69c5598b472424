"""Reads through the gateway, and through the bare chain; and the gateway alone before a bare upstream."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from bench.bare import BareTrade, nginx, proxy, uvicorn
from bench.figures import Figures, wrk
from bench.house import House
from catalog.queries import market
from catalog.queries.listing import Filters, Paging
from chassis.db import Reader
from kernel.scope import StoreScope

SECONDS = 5


class Overheard(Reader):
    """Keeps the one statement that a query sends, and answers that nothing was found."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}

    async def fetch(self, statement: Any, *args: object) -> list[Any]:
        kinds = [("uuid", str(value)) if isinstance(value, UUID) else ("text", value) for value in args]
        self.said = {"sql": statement, "args": kinds}
        return []

    async def fetchval(self, statement: Any, *args: object) -> Any:
        await self.fetch(statement, *args)

    async def fetchrow(self, statement: Any, *args: object) -> Any:
        await self.fetch(statement, *args)


async def statements(house: House) -> Mapping[str, Any]:
    """What catalog sends to PostgreSQL for the two reads that are measured."""
    scope = StoreScope(UUID(house.buyer.store_id))
    browse, detail = Overheard(), Overheard()
    await market.browse(browse, scope, state="OK", sort="newest", filters=Filters(), paging=Paging(20))
    await market.product(detail, scope, UUID(house.goods[0]["id"]))
    return {"browse": browse.said, "detail": detail.said}


class Reads:
    """Browse of 20 and product detail; the bare catalog runs the statements that the house runs."""

    def __init__(self, house: House, bare: BareTrade) -> None:
        self._gateway, self._bearer = house.stack.gateway_url, house.bearer()
        self._bare = bare.catalog_door
        self._product = house.goods[0]["id"]

    async def browse(self) -> Figures:
        return await wrk(f"{self._gateway}/api/v1/products?state=OK&limit=20", seconds=SECONDS, headers=self._bearer)

    async def bare_browse(self) -> Figures:
        return await wrk(f"{self._bare}/read/browse", seconds=SECONDS, headers={})

    async def detail(self) -> Figures:
        return await wrk(f"{self._gateway}/api/v1/products/{self._product}", seconds=SECONDS, headers=self._bearer)

    async def bare_detail(self) -> Figures:
        return await wrk(f"{self._bare}/read/detail", seconds=SECONDS, headers={})


class Edge:
    """A second gateway of the stack, the bare proxy and nginx, all three before one upstream that only answers."""

    def __init__(self, house: House, folder: Path) -> None:
        self._house, self._folder = house, folder
        self._open = ExitStack()

    def __enter__(self) -> Self:
        upstream = self._open.enter_context(uvicorn("bench.floors.upstream:answer"))
        gateway = self._house.stack.add("gateway", environment={"PACKHOUSE_CATALOG_URL": upstream})
        self._open.callback(gateway.stop)
        self._gateway = gateway.url
        self._proxy = self._open.enter_context(proxy(upstream))
        self._nginx = self._open.enter_context(nginx(upstream, self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    async def gateway(self) -> Figures:
        return await wrk(f"{self._gateway}/api/v1/products", seconds=SECONDS, headers=self._house.bearer())

    async def proxy(self) -> Figures:
        return await wrk(f"{self._proxy}/api/v1/products", seconds=SECONDS, headers={})

    async def nginx(self) -> Figures:
        return await wrk(f"{self._nginx}/api/v1/products", seconds=SECONDS, headers={})
