"""A market in one process: orders with a fake catalog, shoppers and vendors who speak the words of the product."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from chassis import failpoints
from chassis.ids import new_id
from chassis.jobs import JobOutcome
from contracts.identity import StoreChanged
from contracts.orders import OrderCanceled, OrderDecided, OrderExpired
from contracts.values import Address
from kernel.scope import Kyc, Role, StoreType, SystemRole
from orders.clients.catalog import CatalogClient
from orders.clients.fake_catalog import FakeCatalog, FakeProduct, FakeVendor
from orders.clients.identity import FakeIdentity, IdentityClient
from orders.manifest import SERVICE
from testkit.servers import TestServers
from testkit.world import World

ADDRESS = {
    "line1": "1 Main St",
    "line2": None,
    "city": "Tulsa",
    "state": "OK",
    "postal_code": "74101",
    "country": "US",
    "lat": None,
    "lng": None,
}


def store_snapshot(store_id: UUID, name: str, kind: StoreType, version: int = 1) -> StoreChanged:
    now = datetime.now(UTC)
    return StoreChanged(
        store_id=store_id,
        version=version,
        type=kind,
        company_name=name,
        kyc_status=Kyc.VERIFIED,
        owner_user_id=uuid4(),
        address=Address(**ADDRESS),
        created_at=now,
        updated_at=now,
    )


@dataclass
class Member:
    """A user of one store."""

    world: World
    store_id: UUID = field(default_factory=new_id)
    store_type: StoreType = StoreType.BUYER
    role: Role = Role.OWNER
    kyc_status: Kyc = Kyc.VERIFIED

    def __post_init__(self) -> None:
        self.caller = self.world.caller(
            user_id=uuid4(),
            store_id=self.store_id,
            store_type=self.store_type,
            role=self.role,
            kyc_status=self.kyc_status,
        )

    async def fills_cart(self, wanted: Mapping[UUID, tuple[UUID, int]], **fields: Any) -> httpx.Response:
        """`wanted` maps product ids to (vendor, quantity)."""
        items = [
            {"product_id": str(product), "vendor_store_id": str(vendor), "quantity": quantity}
            for product, (vendor, quantity) in wanted.items()
        ]
        return await self.caller.post("/api/v1/cart", {"items": items, **fields}, key=str(uuid4()))

    async def wants(self, *wanted: tuple[FakeProduct, int]) -> dict[str, Any]:
        """The cart with these products, as it was quoted."""
        answer = await self.fills_cart({product.id: (product.vendor.id, quantity) for product, quantity in wanted})
        assert answer.status_code == 200, answer.text
        cart: dict[str, Any] = answer.json()["data"]
        return cart

    async def checks_out(self, cart_id: str, key: str | None = None, **fields: Any) -> httpx.Response:
        body = {"cart_id": cart_id, "shipping_address": ADDRESS, "payment_method": "cash", **fields}
        return await self.caller.post("/api/v1/checkout", body, key=key or str(uuid4()))

    async def buys(self, *wanted: tuple[FakeProduct, int], **fields: Any) -> dict[str, Any]:
        cart = await self.wants(*wanted)
        answer = await self.checks_out(cart["id"], **fields)
        assert answer.status_code == 201, answer.text
        checkout: dict[str, Any] = answer.json()["data"]
        return checkout

    async def decides(self, order_id: str, decision: str, key: str | None = None, **fields: Any) -> httpx.Response:
        path = f"/api/v1/vendor/orders/{order_id}/decision"
        return await self.caller.post(path, {"decision": decision, **fields}, key=key or str(uuid4()))

    async def decides_line(self, order_id: str, line_id: str, decision: str, **fields: Any) -> httpx.Response:
        path = f"/api/v1/vendor/orders/{order_id}/line-items/decision"
        body = {"line_item_id": line_id, "decision": decision, **fields}
        return await self.caller.post(path, body, key=str(uuid4()))

    async def fulfills(self, order_id: str) -> httpx.Response:
        return await self.caller.post(f"/api/v1/vendor/orders/{order_id}/fulfill", key=str(uuid4()))

    async def cancels(self, order_id: str, **fields: Any) -> httpx.Response:
        return await self.caller.post(f"/api/v1/orders/{order_id}/cancel", fields, key=str(uuid4()))

    async def nudges(self, order_id: str) -> httpx.Response:
        return await self.caller.post(f"/api/v1/orders/{order_id}/nudge", key=str(uuid4()))

    async def retries(self, order_id: str, key: str | None = None) -> httpx.Response:
        return await self.caller.post(f"/api/v1/orders/{order_id}/retry", key=key or str(uuid4()))

    async def sees(self, order_id: str) -> dict[str, Any]:
        """The order's detail."""
        answer = await self.caller.get(f"/api/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        detail: dict[str, Any] = answer.json()["data"]
        return detail


@dataclass
class Market:
    """The service, and everybody around it."""

    world: World
    catalog: FakeCatalog
    identity: FakeIdentity

    def member(self, **changes: Any) -> Member:
        """A member of a store that identity knows, and orders has not heard of."""
        member = Member(self.world, **changes)
        kind = member.store_type
        self.identity.stores[member.store_id] = store_snapshot(member.store_id, f"Store {kind.value}", kind)
        return member

    def vendor(self, name: str = "Grower") -> FakeVendor:
        return FakeVendor(name=name)

    def seller(self, vendor: FakeVendor, role: Role = Role.OWNER) -> Member:
        return self.member(store_id=vendor.id, store_type=StoreType.VENDOR, role=role)

    def product(self, vendor: FakeVendor, **changes: Any) -> FakeProduct:
        return self.catalog.add(
            FakeProduct(vendor=vendor, **{"title": "Flower", "price_cents": 1500, "available": 1000, **changes})
        )

    async def hears_of(self, *members: Member) -> None:
        """Identity tells of these members' stores."""
        for member in members:
            await self.world.hears(self.identity.stores[member.store_id])

    async def order(self, buyer: Member, *wanted: tuple[FakeProduct, int], **fields: Any) -> dict[str, Any]:
        """The order that one vendor has of it, as the checkout answered it."""
        [order] = (await buyer.buys(*wanted, **fields))["vendor_orders"]
        return dict(order)

    async def expired(self, buyer: Member, *wanted: tuple[FakeProduct, int], **fields: Any) -> dict[str, Any]:
        """An order that its vendor has left undecided until the clock ended it."""
        order = await self.order(buyer, *wanted, **fields)
        for _ in range(2):
            self.world.clock.turn(timedelta(days=6))
            await self.clock_runs()
        await self.gives_back()
        assert (await buyer.sees(order["order_id"]))["order"]["status"] == "expired"
        return order

    async def gives_back(self) -> None:
        """What catalog does when it hears which lines gave their stock back."""
        for event in (*await self.world.emitted(OrderCanceled), *await self.world.emitted(OrderExpired)):
            self.catalog.release(event.released_line_ids)
        for decided in await self.world.emitted(OrderDecided):
            self.catalog.release(decided.rejected_line_ids)

    async def admin_cancels(self, order_id: str, reason: str = "Refused at the door") -> httpx.Response:
        admin = self.world.caller(user_id=uuid4(), system_role=SystemRole.ADMIN)
        return await admin.post(f"/api/v1/admin/orders/{order_id}/cancel", {"reason": reason}, key=str(uuid4()))

    async def copies_order(self, copies: int) -> None:
        """That many orders like the one there is, of the same time, each in a group of its own."""
        columns = "buyer_store_id, payment_method, shipping_address, tip_cents"
        async with self.world.db.reader() as db:
            await db.fetch(
                f"insert into checkout_groups (id, {columns}) "
                f"select gen_random_uuid(), {columns} from checkout_groups, generate_series(1, $1::int)",
                copies,
            )
            await db.fetch(
                "insert into vendor_orders select (jsonb_populate_record(orders, jsonb_build_object('id', "
                "gen_random_uuid(), 'order_number', 20000 + place, 'checkout_group_id', fresh.id))).* from "
                "vendor_orders orders, (select id, row_number() over () as place from checkout_groups "
                "where cart_id is null) fresh"
            )

    async def clock_runs(self) -> JobOutcome:
        return await self.world.runs("expire-orders")

    async def completer_runs(self) -> JobOutcome:
        return await self.world.runs("complete-checkouts")

    async def attempts(self) -> list[str]:
        async with self.world.db.reader() as db:
            return [row["state"] for row in await db.fetch("select state from checkout_attempts order by created_at")]

    async def order_count(self) -> int:
        async with self.world.db.reader() as db:
            count: int = await db.fetchval("select count(*) from vendor_orders")
            return count

    async def resolves(self, checkout_id: UUID | str) -> dict[str, Any]:
        catalog = self.world.service_caller("catalog")
        answer = await catalog.post(f"/internal/v1/checkouts/{checkout_id}/resolve")
        assert answer.status_code == 200, answer.text
        resolved: dict[str, Any] = answer.json()["data"]
        return resolved


@pytest.fixture(scope="module")
async def service(servers: TestServers) -> AsyncIterator[World]:
    """One process of orders for all tests of a file; opening a database for each would be most of their time."""
    async with World.open(
        SERVICE, servers, clients={CatalogClient: FakeCatalog(), IdentityClient: FakeIdentity()}
    ) as world:
        yield world


@pytest.fixture
async def market(service: World) -> Market:
    """An empty market at the present time."""
    catalog, identity = service.floor.client(CatalogClient), service.floor.client(IdentityClient)
    catalog.reset()
    identity.stores.clear()
    failpoints.arm("")
    service.clock.offset = timedelta(0)
    await _empty(service.admin_url)
    return Market(service, catalog, identity)


@pytest.fixture
def buyer(market: Market) -> Member:
    return market.member()


async def _empty(admin_url: str) -> None:
    """Everything a test may have left; append-only tables too, which only a superuser in this mode can empty."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f"set session_replication_role = replica; truncate {', '.join(_TABLES)} cascade")
    finally:
        await connection.close()


_TABLES = [
    str(table.fullname)
    for table in SERVICE.metadata.sorted_tables
    if table.name not in {"stream_epoch", "outbox_archive", "job_leases"}
]
