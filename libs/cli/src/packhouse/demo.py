"""One trade from registration to decided orders, told step by step.

Through the gateway's public API only, and through the addresses that it signs for files.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from packhouse.actors import PASSWORD, Admin, Buyer, Reply, UnexpectedAnswerError, Vendor, product
from packhouse.eventually import eventually

VISIBLE_WITHIN = 10.0
VERIFIED_WITHIN = 2.0
SETTLED_WITHIN = 30.0
PATH_MAX = 58
CONSUMERS = ("identity", "media", "catalog", "orders")


@dataclass(slots=True)
class Story:
    """What the demo has made so far."""

    admin: Admin
    vendors: list[Vendor] = field(default_factory=list)
    buyers: list[Buyer] = field(default_factory=list)
    goods: dict[str, dict[str, Any]] = field(default_factory=dict)
    stock_before: dict[str, int] = field(default_factory=dict)
    orders: list[Mapping[str, Any]] = field(default_factory=list)


class Demo:
    """Plays the trade against a running stack and prints every request with its answer."""

    def __init__(self, console: Console, gateway: str, database: str, admin_email: str) -> None:
        self.console = console
        self.database = database
        hooks: dict[str, list[Callable[..., Any]]] = {"request": [self._started], "response": [self._told]}
        self.http = httpx.AsyncClient(base_url=gateway, timeout=30, event_hooks=hooks)
        self.run = uuid4().hex[:6]
        self.story = Story(Admin(self.http, email=admin_email))

    async def play(self) -> None:
        async with self.http:
            await self._open_the_house()
            await self._open_the_stores()
            await self._list_the_goods()
            await self._come_too_early()
            await self._apply()
            await self._review()
            await self._browse()
            await self._shop()
            await self._decide()
            await self._settle()
            await self._show_the_end()

    async def _started(self, request: httpx.Request) -> None:
        request.extensions["started"] = time.perf_counter()

    async def _told(self, response: httpx.Response) -> None:
        await response.aread()
        request = response.request
        spent = (time.perf_counter() - request.extensions["started"]) * 1_000
        colour = "green" if response.is_success else "yellow"
        path = _short(request.url.raw_path.decode().partition("?")[0])
        note = "" if response.is_success else f"  {Reply.of(response).error.get('reason') or ''}"
        self.console.print(
            f"  {request.method:<5} {path:<{PATH_MAX}} [{colour}]{response.status_code}[/]{spent:6.0f} ms{note}"
        )

    def _step(self, title: str) -> None:
        self.console.print(f"\n[bold]{title}[/bold]")

    async def _open_the_house(self) -> None:
        self._step("The house opens: an admin")
        known = await self.story.admin.logs_in()
        if known.status == httpx.codes.UNAUTHORIZED:
            (await self.story.admin.registers()).expect(201)
            known = await self.story.admin.logs_in()
        known.expect(200)

    async def _open_the_stores(self) -> None:
        self._step("Two vendors and three buyers register; billing is to come, so the admin grants the subscriptions")
        story, run = self.story, self.run
        story.vendors = [
            Vendor(self.http, f"{name} {run}", email=f"{name.split()[0].lower()}-{run}@example.net")
            for name in ("Redbud Growers", "Prairie Extracts")
        ]
        story.buyers = [
            Buyer(self.http, f"{name} {run}", email=f"{name.split()[0].lower()}-{run}@example.net")
            for name in ("Bricktown Dispensary", "Tulsa Wellness", "Norman Naturals")
        ]
        for member in self._members:
            (await member.registers()).expect(200)
        for vendor in story.vendors:
            granted = await story.admin.grants_standing(str(vendor.store_id), subscribed=True, verified=False)
            granted.expect(200)

    async def _list_the_goods(self) -> None:
        self._step("The vendors upload their pictures and list their goods")
        redbud, prairie = self.story.vendors
        tiers = [{"min_qty": 50, "discount_percent": "5"}, {"min_qty": 100, "discount_percent": "10"}]
        listings = (
            (redbud, product("RB-FLOWER", "Blue Dream Indoor", volume_discounts=tiers)),
            (redbud, product("RB-LAST", "Gelato Reserve, last jars", inventory={"available_qty": 2})),
            (prairie, product("PX-CART", "Sour Diesel Cart", category="cart", unit="unit", price_cents=2_400)),
            (prairie, product("PX-GUMMY", "Night Gummies", category="edible", unit="unit", price_cents=900, moq=5)),
        )
        for vendor, listing in listings:
            self.story.goods[listing["sku"]] = (await vendor.lists(listing)).expect(201)
            self.story.stock_before[listing["sku"]] = listing["inventory"]["available_qty"]

    async def _come_too_early(self) -> None:
        self._step("Nobody is verified yet: the first buyer finds none of the goods and may not ask for a price")
        if await self._listed():
            raise UnexpectedAnswerError("a vendor without a verified licence is on the market")
        (await self.story.buyers[0].fills_cart({self._line("RB-FLOWER"): 1})).expect(403)

    async def _apply(self) -> None:
        self._step("Every store uploads a scan of its licence and applies with it")
        for member in self._members:
            scan = "a page that nobody can read" if member is self._hasty else None
            await member.proves_itself(self._number(member), scan=scan)

    async def _review(self) -> None:
        self._step("The admin reads the scans; one is refused, removed, uploaded again")
        hasty = str(self._hasty.store_id)
        for licence in await self._waiting():
            (await self.http.get(licence["signed_url"])).raise_for_status()
            if licence["store_id"] == hasty:
                (await self.story.admin.rejects(licence["id"], "the scan cannot be read")).expect(200)
                (await self._hasty.removes_licence(licence["id"])).expect(200)
            else:
                (await self.story.admin.verifies(licence["id"])).expect(200)
        better = await self._hasty.proves_itself(self._number(self._hasty))
        (await self.story.admin.verifies(better["id"])).expect(200)

    async def _browse(self) -> None:
        self._step("The buyers browse until both vendors' goods are there")
        wanted = {goods["id"] for goods in self.story.goods.values()}

        async def all_listed() -> bool:
            return wanted <= await self._listed()

        await eventually(all_listed, within=VISIBLE_WITHIN, every=0.5)

    async def _listed(self) -> set[str]:
        """Ids of the vendors' goods that the first buyer finds."""
        found: set[str] = set()
        for vendor in self.story.vendors:
            found |= {row["id"] for row in await self.story.buyers[0].browses(vendor_store_id=vendor.store_id)}
        return found

    async def _waiting(self) -> list[Mapping[str, Any]]:
        """The licences of this story that wait for their review; another demo's may stand beside them."""
        ours = {member.store_id for member in self._members}
        return [one for one in await self.story.admin.sees_licences() if one["store_id"] in ours]

    @property
    def _members(self) -> list[Vendor | Buyer]:
        return [*self.story.vendors, *self.story.buyers]

    @property
    def _hasty(self) -> Buyer:
        """Whose first scan nobody can read."""
        return self.story.buyers[-1]

    def _number(self, member: Vendor | Buyer) -> str:
        return f"OMMA-{self.run}-{self._members.index(member) + 1}".upper()

    def _line(self, sku: str) -> tuple[str, str]:
        goods = self.story.goods[sku]
        return goods["id"], goods["vendor_store_id"]

    async def _shop(self) -> None:
        self._step("All three quote a cart; two check out at once from both vendors, the third comes for the last jar")
        first, second, third = self.story.buyers
        baskets = (
            (first, {self._line("RB-FLOWER"): 60, self._line("RB-LAST"): 1, self._line("PX-CART"): 4}),
            (second, {self._line("RB-LAST"): 1, self._line("PX-GUMMY"): 10}),
            (third, {self._line("RB-LAST"): 1}),
        )
        carts = [await self._cart_of(buyer, basket) for buyer, basket in baskets]
        answers = await asyncio.gather(first.checks_out(carts[0], tip_cents=100), second.checks_out(carts[1]))
        for answer in answers:
            self.story.orders.extend(answer.expect(201)["vendor_orders"])
        lost = await third.checks_out(carts[2])
        lost.expect(409)
        self.console.print(f"  the third is told: {lost.error['message']} {lost.error.get('details')}")

    async def _cart_of(self, buyer: Buyer, basket: Mapping[tuple[str, str], int]) -> str:
        """The cart's id. A review counts at the gateway within a second (spec 1.6), which may not be over yet."""
        answers: list[Reply] = []

        async def counts() -> bool:
            answers.append(await buyer.fills_cart(basket))
            return answers[-1].reason != "not_verified"

        await eventually(counts, within=VERIFIED_WITHIN, every=0.25)
        cart_id: str = answers[-1].expect(200)["id"]
        return cart_id

    async def _decide(self) -> None:
        self._step("Redbud accepts its orders, Prairie rejects one of its own: that stock returns")
        redbud, prairie = self.story.vendors
        for order in await redbud.sees_orders():
            (await redbud.decides(order["id"], "accept")).expect(200)
        theirs = await prairie.sees_orders()
        (await prairie.decides(theirs[0]["id"], "reject")).expect(200)
        for order in theirs[1:]:
            (await prairie.decides(order["id"], "accept")).expect(200)

    async def _settle(self) -> None:
        self._step("Every event reaches its consumers")
        database = await asyncpg.connect(self.database)
        try:
            await eventually(lambda: _settled(database), within=SETTLED_WITHIN, every=0.2)
            self.console.print(await _events_table(database))
        finally:
            await database.close()

    async def _show_the_end(self) -> None:
        self._step("The end of the story")
        self.console.print(await self._orders_table())
        self.console.print(await self._stock_table())

    async def _orders_table(self) -> Table:
        table = Table("order", "buyer", "vendor", "status", "total", title="Orders")
        names = {member.store_id: member.company_name for member in self._members}
        for buyer in self.story.buyers:
            for order in await buyer.sees_orders():
                cents = f"{order['total_cents'] / 100:,.2f}"
                vendor = names[order["vendor"]["id"]]
                table.add_row(str(order["order_number"]), buyer.company_name, vendor, order["order_status"], cents)
        return table

    async def _stock_table(self) -> Table:
        table = Table("sku", "put in", "available", "reserved", title="Stock before and after")
        vendors = {vendor.store_id: vendor for vendor in self.story.vendors}
        for sku, goods in self.story.goods.items():
            now = await vendors[goods["vendor_store_id"]].sees_stock(goods["id"])
            before = str(self.story.stock_before[sku])
            table.add_row(sku, before, str(now["available_qty"]), str(now["reserved_qty"]))
        return table

    def logins(self) -> Sequence[tuple[str, str, str]]:
        """Who can log in to the stack that stays up: what they are, e-mail, password."""
        story = self.story
        people = [("admin", story.admin.email)]
        people += [(f"vendor {vendor.company_name}", vendor.email) for vendor in story.vendors]
        people += [(f"buyer {buyer.company_name}", buyer.email) for buyer in story.buyers]
        return [(who, email, PASSWORD) for who, email in people]


def _short(path: str) -> str:
    """An object's key is longer than a line; its ends tell which it is."""
    return path if len(path) <= PATH_MAX else f"{path[:28]}...{path[-27:]}"


_BEHIND = """
select c.aggregate_type from {source}.aggregate_cursor c
join {consumer}.inbox_stream s
  on s.source = '{source}' and s.aggregate_type = c.aggregate_type and s.aggregate_id = c.aggregate_id
where s.last_seq < c.last_seq limit 1
"""


async def _settled(database: asyncpg.Connection) -> bool:
    """No outbox has a row left, and no consumer is behind a stream it has opened."""
    for source in CONSUMERS:
        if await database.fetchval(f"select 1 from {source}.outbox limit 1"):
            return False
        for consumer in CONSUMERS:
            if await database.fetchval(_BEHIND.format(source=source, consumer=consumer)):
                return False
    return True


async def _events_table(database: asyncpg.Connection) -> Table:
    table = Table("consumer", "source", "aggregate", "streams", "events applied", title="Events seen by each consumer")
    for consumer in CONSUMERS:
        rows = await database.fetch(
            f"select source, aggregate_type, count(*) streams, sum(last_seq) events"
            f" from {consumer}.inbox_stream group by 1, 2 order by 1, 2"
        )
        for row in rows:
            streams, events = str(row["streams"]), str(row["events"])
            table.add_row(consumer, row["source"], row["aggregate_type"], streams, events)
    return table
