"""The stack that is measured: 100 vendors, 10,000 products, and buyers with full carts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import psutil

from packhouse.actors import Admin, Buyer
from packhouse.eventually import eventually
from packhouse.market import AT_ONCE, Market, Seeder
from packhouse.stack import Stack

BUYERS = 160


@dataclass(slots=True)
class House:
    """A running, seeded stack; `started_in` is in seconds, from nothing to every process ready."""

    stack: Stack
    http: httpx.AsyncClient
    market: Market
    started_in: float
    goods: list[dict[str, Any]] = field(default_factory=list)

    @property
    def buyer(self) -> Buyer:
        return self.market.buyers[0]

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.buyer.token}"}

    async def admin_database(self) -> asyncpg.Connection:
        return await asyncpg.connect(self.stack.database_url())


@asynccontextmanager
async def open_house(root: Path, size: str) -> AsyncIterator[House]:
    """A private stack, filled through the gateway."""
    began = time.perf_counter()
    async with Stack(root, rate_limits=False, given={}) as stack:
        spent = time.perf_counter() - began
        async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=60) as http:
            yield await _filled(stack, http, size, spent)


async def _filled(stack: Stack, http: httpx.AsyncClient, size: str, spent: float) -> House:
    admin = Admin(http, email="bench@packhouse.test")
    (await admin.registers()).expect(201)
    (await admin.logs_in()).expect(200)
    market = await Seeder(http, admin, size=size, run="bench").seed()
    house = House(stack, http, market, spent)
    await _wait_until_listed(house)
    await _more_buyers(house)
    return house


async def _wait_until_listed(house: House) -> None:
    """The projections have caught up, and the first 200 products are known by id."""
    database = await house.admin_database()

    async def caught_up() -> bool:
        return not await database.fetchval("select 1 from catalog.products where visible_in is null limit 1")

    await eventually(caught_up, within=120)
    await database.execute("vacuum analyze")
    await database.close()
    reply = await house.buyer.get("/api/v1/products", state="OK", limit=100, sort="price_asc")
    house.goods = reply.expect(200)["products"]


async def _more_buyers(house: House) -> None:
    """Enough buyers for one checkout each per run."""
    seeder = Seeder(house.http, house.market.admin, size="s", run=f"more{uuid4().hex[:4]}")
    seeder.market = house.market
    slots = asyncio.Semaphore(AT_ONCE)

    async def join(place: int) -> None:
        async with slots:
            await seeder.join_buyer(place)

    await asyncio.gather(*(join(place) for place in range(BUYERS - len(house.market.buyers))))


async def fill_carts(house: House) -> list[tuple[Buyer, str]]:
    """One cart per buyer: three lines from two vendors."""
    by_vendor: dict[str, list[dict[str, Any]]] = {}
    for goods in house.goods:
        by_vendor.setdefault(goods["vendor_store_id"], []).append(goods)
    pairs = cycle(_pairs(by_vendor))
    slots = asyncio.Semaphore(8)

    async def fill(buyer: Buyer, lines: list[dict[str, Any]]) -> tuple[Buyer, str]:
        async with slots:
            wanted = {(goods["id"], goods["vendor_store_id"]): 1 for goods in lines}
            return buyer, (await buyer.fills_cart(wanted)).expect(200)["id"]

    return await asyncio.gather(*(fill(buyer, next(pairs)) for buyer in house.market.buyers))


def _pairs(by_vendor: dict[str, list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Baskets of two goods of one vendor and one of another."""
    rich = [goods for goods in by_vendor.values() if len(goods) > 1]
    return [[*goods[:2], other[0]] for goods, other in zip(rich, rich[1:] + rich[:1], strict=True)]


def megabytes(stack: Stack) -> dict[str, float]:
    """Proportional resident memory of every process the stack has started, children included."""
    return {name: _pss(process.pid) for name, process in stack.home.roster.living().items()}


def _pss(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(float(member.memory_full_info().pss) for member in family) / 1_000_000
