"""A market in the test process: catalog alone, with stores as identity tells of them and carts as orders sends them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from catalog.clients.identity import FakeIdentity, IdentityClient
from catalog.clients.media import FakeMedia, MediaClient
from catalog.clients.orders import FakeOrders, OrdersClient
from catalog.commands import stock
from catalog.manifest import SERVICE
from chassis.inbox import Consumer
from contracts.event import Event
from contracts.identity import StoreChanged
from contracts.media import MediaChanged
from contracts.orders import CheckoutAborted, CreatedItem, OrderCanceled, OrderCreated, OrderDecided, OrderExpired
from contracts.values import Address, LineState, Place
from kernel.scope import Kyc, Role, StoreType
from testkit.world import World

COUNTERS_AGREE = """
select count(*) from inventory_items i
 where i.reserved_qty <> (select coalesce(sum(r.qty), 0) from reservations r
                           where r.product_id = i.product_id and r.state in ('held', 'confirmed'))
    or (i.available_qty, i.reserved_qty) <> (select sum(m.available_delta), sum(m.reserved_delta)
                                               from inventory_movements m where m.product_id = i.product_id)
"""


def product_body(**changes: Any) -> dict[str, Any]:
    """A product that is accepted with the picture that `media_ids` must name."""
    body = {
        "sku": f"SKU-{uuid4().hex[:10]}",
        "title": "Blue Dream",
        "category": "flower",
        "feelings": ["happy"],
        "flavors": ["citrus"],
        "usage": ["sleep"],
        "unit": "gram",
        "moq": 1,
        "price_cents": 1500,
        "inventory": {"available_qty": 10},
    }
    return {**body, **changes}


def medium(media_id: UUID, store_id: UUID, kind: str = "product", **changes: Any) -> MediaChanged:
    """A medium as media tells it once it is uploaded: a picture is public, a certificate private."""
    is_picture = kind == "product"
    facts = {
        "version": 2,
        "status": "uploaded",
        "mime_type": "image/png" if is_picture else "application/pdf",
        "size_bytes": 1000,
        "file_name": "file",
        "gcs_key": f"{store_id}/{kind}/{media_id}",
        "public_url": f"https://public.test/{media_id}" if is_picture else None,
        "uploaded_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return MediaChanged(media_id=media_id, store_id=store_id, kind=kind, **{**facts, **changes})


@dataclass
class Store:
    """A store with an owner who acts for it."""

    market: "Market"
    store_id: UUID
    snapshot: StoreChanged
    type: StoreType
    user_id: UUID = field(default_factory=uuid4)
    uploads: dict[UUID, MediaChanged] = field(default_factory=dict)

    @property
    def owner(self) -> Any:
        return self.acting()

    def acting(self, role: Role = Role.OWNER) -> Any:
        return self.market.world.caller(
            user_id=self.user_id, store_id=self.store_id, store_type=self.type, role=role, kyc_status=Kyc.VERIFIED
        )

    async def becomes(self, **changes: Any) -> None:
        """Identity says that something about this store has changed."""
        self.snapshot = self.snapshot.model_copy(update={"version": self.snapshot.version + 1, **changes})
        await self.market.world.hears(self.snapshot)

    async def uploads_one(self, kind: str = "product", *, told: bool = True, **changes: Any) -> UUID:
        """A medium of this store, uploaded and public where its kind is; `told` false keeps it from catalog."""
        media_id = uuid4()
        self.uploads[media_id] = medium(media_id, self.store_id, kind, **changes)
        if told:
            await self.market.world.hears(self.uploads[media_id])
        return media_id

    async def medium_becomes(self, media_id: UUID | str, **changes: Any) -> None:
        """Media says that something about this medium has changed."""
        was = self.uploads[UUID(str(media_id))]
        self.uploads[was.media_id] = was.model_copy(update={"version": was.version + 1, **changes})
        await self.market.world.hears(self.uploads[was.media_id])

    async def offer(self, **changes: Any) -> dict[str, Any]:
        """What the vendor says of a product, with a picture it has uploaded."""
        pictures = {} if "media_ids" in changes else {"media_ids": [str(await self.uploads_one())]}
        return product_body(**pictures, **changes)

    async def lists(self, **changes: Any) -> dict[str, Any]:
        """The vendor offers a product, and gets it back."""
        response = await self.owner.post("/api/v1/vendor/products", await self.offer(**changes))
        assert response.status_code == 201, response.text
        return dict(response.json()["data"])

    async def sets_stock(self, product: dict[str, Any], available_qty: int, **more: Any) -> httpx.Response:
        body = {"available_qty": available_qty, **more}
        return await self.owner.put(f"/api/v1/inventory/{product['id']}", body, key=str(uuid4()))

    async def reads(self, path: str, **query: Any) -> httpx.Response:
        response: httpx.Response = await self.owner.get(path, params=query)
        return response

    async def browses(self, **query: Any) -> httpx.Response:
        return await self.owner.get("/api/v1/products", params={"state": "OK", **query})

    async def sees(self, product: dict[str, Any]) -> int:
        return (await self.owner.get(f"/api/v1/products/{product['id']}")).status_code


@dataclass
class Checkout:
    """One checkout: the lines orders asks for, in its words."""

    market: "Market"
    buyer: Store
    lines: list[dict[str, Any]]
    checkout_id: UUID = field(default_factory=uuid4)

    @property
    def line_ids(self) -> list[UUID]:
        return [UUID(line["line_id"]) for line in self.lines]

    async def reserves(self) -> dict[str, Any]:
        response = await self.asks()
        assert response.status_code == 200, response.text
        return dict(response.json()["data"])

    async def asks(self) -> httpx.Response:
        command = {
            "checkout_id": str(self.checkout_id),
            "buyer_store_id": str(self.buyer.store_id),
            "buyer_state": self.buyer.snapshot.address.state,
            "lines": self.lines,
        }
        return await self.market.orders.post("/internal/v1/reservations", command)

    def created(self, order_id: UUID, line_ids: Sequence[UUID] | None = None) -> OrderCreated:
        wanted = self.line_ids if line_ids is None else line_ids
        amounts = dict.fromkeys(
            ("subtotal_cents", "discounts_cents", "tax_cents", "transport_fee_cents", "shipping_cents", "tip_cents"), 0
        )
        return OrderCreated(
            order_id=order_id,
            order_number=1,
            order_version=1,
            checkout_group_id=self.checkout_id,
            buyer_store_id=self.buyer.store_id,
            vendor_store_id=UUID(self.lines[0]["vendor_store_id"]),
            status="created_pending",
            payment_method="cash",
            total_cents=0,
            shipping_address=Place(postal_code="73102"),
            items=[self._item(line) for line in self.lines if UUID(line["line_id"]) in wanted],
            **amounts,
        )

    def _item(self, line: dict[str, Any]) -> CreatedItem:
        amounts = dict.fromkeys(("unit_price_cents", "line_subtotal_cents", "discount_cents", "line_total_cents"), 0)
        return CreatedItem(
            line_id=line["line_id"],
            product_id=line["product_id"],
            title="t",
            category="flower",
            unit="gram",
            qty=line["qty"],
            moq=1,
            status="pending",
            **amounts,
        )

    def decided(self, order_id: UUID, rejected: Sequence[UUID]) -> OrderDecided:
        lines = [
            LineState(
                line_id=line["line_id"],
                product_id=line["product_id"],
                qty=line["qty"],
                status="rejected" if UUID(line["line_id"]) in rejected else "accepted",
            )
            for line in self.lines
        ]
        amounts = dict.fromkeys(("subtotal_cents", "discounts_cents", "total_cents", "balance_due_cents"), 0)
        return OrderDecided(
            order_id=order_id,
            order_version=2,
            checkout_group_id=self.checkout_id,
            buyer_store_id=self.buyer.store_id,
            vendor_store_id=UUID(self.lines[0]["vendor_store_id"]),
            scope="order",
            decision="reject",
            status="rejected",
            lines=lines,
            rejected_line_ids=list(rejected),
            **amounts,
        )

    def canceled(self, order_id: UUID, released: Sequence[UUID]) -> OrderCanceled:
        at = datetime.now(UTC)
        return OrderCanceled(**self._ended(order_id), canceled_at=at, released_line_ids=list(released))

    def expired(self, order_id: UUID, released: Sequence[UUID]) -> OrderExpired:
        at = datetime.now(UTC)
        return OrderExpired(**self._ended(order_id), expired_at=at, ttl_days=10, released_line_ids=list(released))

    def _ended(self, order_id: UUID) -> dict[str, Any]:
        return {
            "order_id": order_id,
            "order_number": 1,
            "checkout_group_id": self.checkout_id,
            "buyer_store_id": self.buyer.store_id,
            "vendor_store_id": self.lines[0]["vendor_store_id"],
        }

    def aborted(self) -> CheckoutAborted:
        return CheckoutAborted(checkout_id=self.checkout_id, buyer_store_id=self.buyer.store_id, line_ids=self.line_ids)


@dataclass
class Market:
    """Stores, products and checkouts of one test."""

    world: World
    identity: FakeIdentity
    resolver: FakeOrders
    media: FakeMedia

    @classmethod
    @asynccontextmanager
    async def open(cls, servers: Any) -> AsyncIterator["Market"]:
        identity, resolver, media = FakeIdentity(), FakeOrders(), FakeMedia()
        clients = {IdentityClient: identity, OrdersClient: resolver, MediaClient: media}
        async with World.open(SERVICE, servers, clients=clients) as world:
            yield cls(world, identity, resolver, media)

    @property
    def orders(self) -> Any:
        return self.world.service_caller("orders")

    async def vendor(self, *, told: bool = True, state: str = "OK", **changes: Any) -> Store:
        """A vendor store that may sell, unless the changes say otherwise; `told` false keeps it from catalog."""
        usual = {"kyc_status": Kyc.VERIFIED, "subscription_override": "active"}
        return await self._store(StoreType.VENDOR, told=told, state=state, **{**usual, **changes})

    async def buyer(self, *, told: bool = True, state: str = "OK", **changes: Any) -> Store:
        return await self._store(StoreType.BUYER, told=told, state=state, **{"kyc_status": Kyc.VERIFIED, **changes})

    async def _store(self, kind: StoreType, *, told: bool, state: str, **changes: Any) -> Store:
        place = {"lat": changes.pop("lat", None), "lng": changes.pop("lng", None)}
        snapshot = StoreChanged(
            store_id=uuid4(),
            version=1,
            type=kind,
            company_name=f"Company {uuid4().hex[:6]}",
            owner_user_id=uuid4(),
            address=Address(line1="1 Main St", city="Tulsa", state=state, postal_code="74103", **place),
            created_at=datetime.now(UTC),
            updated_at=datetime.now(UTC),
            **changes,
        )
        if told:
            await self.world.hears(snapshot)
        return Store(self, snapshot.store_id, snapshot, kind)

    def checkout(self, buyer: Store, *wanted: tuple[dict[str, Any], int]) -> Checkout:
        lines = [
            {
                "line_id": str(uuid4()),
                "product_id": product["id"],
                "vendor_store_id": product["vendor_store_id"],
                "qty": qty,
            }
            for product, qty in wanted
        ]
        return Checkout(self, buyer, lines)

    async def hears_at_once(self, *events: Event) -> None:
        """Events that the inbox applies in one transaction, as it does when it lags."""
        envelopes = [self.world._envelope(event, None, baseline=False) for event in events]
        await Consumer(self.world.floor).apply(envelopes)

    async def sweep(self) -> None:
        """The sweeper's minute has come."""
        outcome = await self.world.runs("sweep-reservations")
        assert outcome.succeeded
        assert outcome.items_failed == 0

    def turn_clock(self, **by: float) -> None:
        self.world.clock.turn(timedelta(**by))

    def metric(self, name: str) -> float:
        return REGISTRY.get_sample_value(name) or 0.0

    async def reconcile(self) -> tuple[int, list[str]]:
        """Exit status and lines of `stock reconcile`."""
        printed, status = StringIO(), 0
        with redirect_stdout(printed):
            try:
                await stock(self.world.floor, ["reconcile"])
            except SystemExit as ended:
                status = int(ended.code or 0)
        return status, printed.getvalue().splitlines()

    async def stock(self, product: dict[str, Any]) -> tuple[int, int]:
        """(available, reserved)."""
        row = await self.row(
            "select available_qty, reserved_qty from inventory_items where product_id = $1", UUID(product["id"])
        )
        return row["available_qty"], row["reserved_qty"]

    async def assert_counters_agree(self) -> None:
        """Every counter is what movements and live reservations add up to."""
        assert (await self.row(COUNTERS_AGREE))["count"] == 0

    async def states(self, checkout: Checkout) -> list[str]:
        """The state of each line, in the order of the checkout."""
        rows = await self.rows("select line_id, state from reservations where checkout_id = $1", checkout.checkout_id)
        by_line = {row["line_id"]: row["state"] for row in rows}
        return [by_line[line_id] for line_id in checkout.line_ids]

    async def rows(self, statement: str, *args: Any) -> list[Any]:
        async with self.world.db.reader() as db:
            return await db.fetch(statement, *args)

    async def row(self, statement: str, *args: Any) -> Any:
        return (await self.rows(statement, *args))[0]


@pytest.fixture
async def market(servers: Any) -> AsyncIterator[Market]:
    async with Market.open(servers) as market:
        yield market
