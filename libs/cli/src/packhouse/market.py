"""A market to look at: vendors with products and buyers, made through the gateway as clients would make them.

Every vendor has one picture for all its goods. The stores' standing is granted, which is quicker than licences and
reviews; the demo shows those.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from packhouse.actors import Admin, Buyer, Vendor, product

AT_ONCE = 12
SIZES = {"s": (3, 10, 3), "m": (20, 50, 10), "l": (100, 100, 20)}
"""Vendors, products of each vendor, buyers."""

CATEGORIES = (
    "flower", "cart", "pre_roll", "edible", "concentrate", "beverage",
    "vape", "topical", "tincture", "seed", "seedling", "accessory",
)  # fmt: skip
STRAINS = ("Blue Dream", "Gelato", "OG Kush", "Sour Diesel", "Zkittlez", "Granddaddy Purple", "Jack Herer", "Runtz")
FORMS = ("Indoor", "Greenhouse", "Small Batch", "Reserve", "House", "Craft", "Estate", "Sungrown")
ZIPS = ("73102", "74103", "73069", "74074", "73501", "74401", "73034", "74012")


@dataclass(slots=True)
class Market:
    """Everybody who trades in a seeded market."""

    admin: Admin
    vendors: list[Vendor] = field(default_factory=list)
    buyers: list[Buyer] = field(default_factory=list)
    products: int = 0


class Seeder:
    """Makes a market of one size; `run` names it, so that a second seeding of the same stack collides with nothing."""

    def __init__(self, http: httpx.AsyncClient, admin: Admin, *, size: str, run: str) -> None:
        self.http = http
        self.market = Market(admin)
        self.vendor_count, self.products_each, self.buyer_count = SIZES[size]
        self.run = run
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.random = random.Random(run)  # noqa: S311  a market that can be made again, nothing secret

    async def seed(self) -> Market:
        """Fill the market, showing progress."""
        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns) as progress:
            await self._each(progress, "vendors", range(self.vendor_count), self._vendor)
            await self._each(progress, "buyers", range(self.buyer_count), self.join_buyer)
            goods = [(vendor, place) for vendor in self.market.vendors for place in range(self.products_each)]
            await self._each(progress, "products", goods, self._product)
        return self.market

    async def _each(
        self, progress: Progress, name: str, items: Iterable[Any], make: Callable[[Any], Awaitable[None]]
    ) -> None:
        todo = list(items)
        task = progress.add_task(name, total=len(todo))

        async def one(item: Any) -> None:
            async with self.slots:
                await make(item)
            progress.advance(task)

        await asyncio.gather(*(one(item) for item in todo))

    def _address(self, place: int) -> dict[str, str]:
        return {
            "line1": f"{100 + place} Main St",
            "city": "Oklahoma City",
            "state": "OK",
            "postal_code": ZIPS[place % len(ZIPS)],
        }

    async def _vendor(self, place: int) -> None:
        vendor = Vendor(self.http, f"Grower {self.run}-{place:03}", email=f"vendor-{place:03}-{self.run}@example.net")
        (await vendor.registers(address=self._address(place))).expect(200)
        (await self.market.admin.grants_standing(str(vendor.store_id), subscribed=True)).expect(200)
        await vendor.has_picture()
        self.market.vendors.append(vendor)

    async def join_buyer(self, place: int) -> None:
        """One more verified buyer; `place` numbers it within this run."""
        name = f"Dispensary {self.run}-{place:03}"
        buyer = Buyer(self.http, name, email=f"buyer-{place:03}-{self.run}@example.net")
        (await buyer.registers(address=self._address(place))).expect(200)
        (await self.market.admin.grants_standing(str(buyer.store_id), subscribed=False)).expect(200)
        self.market.buyers.append(buyer)

    async def _product(self, goods: tuple[Vendor, int]) -> None:
        vendor, place = goods
        (await vendor.lists(self._goods(place))).expect(201)
        self.market.products += 1

    def _goods(self, place: int) -> dict[str, Any]:
        draw = self.random
        tiers = [{"min_qty": 50, "discount_percent": "5"}, {"min_qty": 100, "discount_percent": "10"}]
        return product(
            f"SKU-{place:04}",
            f"{draw.choice(STRAINS)} {draw.choice(FORMS)} {place:04}",
            category=CATEGORIES[place % len(CATEGORIES)],
            classification=draw.choice(("sativa", "hybrid", "indica")),
            price_cents=draw.randrange(300, 9_000, 25),
            thc_percent=f"{draw.randrange(5, 32)}.5",
            volume_discounts=tiers if place % 3 == 0 else [],
            inventory={"available_qty": draw.randrange(200, 5_000), "low_stock_threshold": 20},
        )


async def fill(gateway: str, *, admin_email: str, size: str) -> Market:
    """A market of that size beside whatever is there already; the admin must be registered."""
    async with httpx.AsyncClient(base_url=gateway, timeout=60) as http:
        admin = Admin(http, email=admin_email)
        (await admin.logs_in()).expect(200)
        return await Seeder(http, admin, size=size, run=uuid4().hex[:6]).seed()
