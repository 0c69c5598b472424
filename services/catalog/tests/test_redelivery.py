"""What catalog hears comes early, late and twice, and leaves what it leaves in order (spec 1.9)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID, uuid4

from catalog.manifest import SERVICE
from contracts.event import Event
from contracts.identity import StoreChanged
from contracts.media import MediaChanged
from contracts.values import Address
from kernel.scope import Kyc, StoreType
from testkit.recording import Told, numbered, shuffled
from testkit.reliability import Reliability
from testkit.servers import TestServers

from .conftest import Checkout, Market, Store, medium

STATE = {
    "stores": "select to_jsonb(s) - 'updated_at' as store from stores s order by store_id",
    "stock": "select sku, visible_in, available_qty, reserved_qty"
    " from products join inventory_items on product_id = id order by sku",
    "movements": "select sku, kind, available_delta, reserved_delta"
    " from inventory_movements join products on products.id = product_id order by 1, 2, 3, 4",
    "reservations": "select line_id, order_id, state, reason, qty from reservations order by line_id",
    "checkouts": "select checkout_id, outcome from checkouts order by checkout_id",
    "media": "select to_jsonb(m) - 'updated_at' as medium from media m order by media_id",
    "products": "select sku, is_active, thumbnail_url, coa_media_id from products order by sku",
    "galleries": "select sku, media_id, position, url"
    " from product_media join products on products.id = product_id order by sku, position",
    "streams": "select aggregate_type, aggregate_id, last_seq, blocked from inbox_stream order by 1, 2",
}
"""What must not depend on how it was heard. Products get other ids in every world, so they are told by their sku."""

Arranged = Callable[[list[Told]], list[Told]]


@dataclass
class Plot:
    """The ids of the stores, checkouts, lines and orders; they are the same in every world."""

    vendors: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(3)])
    buyer: UUID = field(default_factory=uuid4)
    checkouts: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(7)])
    lines: list[list[UUID]] = field(default_factory=lambda: [[uuid4() for _ in range(3)] for _ in range(7)])
    orders: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(7)])
    pictures: list[list[UUID]] = field(default_factory=lambda: [[uuid4(), uuid4()] for _ in range(3)])
    certificates: list[UUID] = field(default_factory=lambda: [uuid4() for _ in range(3)])

    def snapshot(self, store_id: UUID, version: int, **changes: Any) -> StoreChanged:
        at = datetime(2026, 1, version, tzinfo=UTC)
        kind = StoreType.BUYER if store_id == self.buyer else StoreType.VENDOR
        facts = {"kyc_status": Kyc.VERIFIED, "subscription_override": "active", **changes}
        return StoreChanged(
            store_id=store_id,
            version=version,
            type=kind,
            company_name=f"Company {version}",
            owner_user_id=self.buyer,
            address=Address(line1="1 Main St", city="Tulsa", state="OK", postal_code="74103"),
            created_at=at,
            updated_at=at,
            **facts,
        )

    def standings(self) -> list[list[Event]]:
        """The first vendor comes back from a suspension, the second loses its subscription, the third is gone."""
        first, second, third = self.vendors
        suspended, unpaid = {"kyc_status": Kyc.SUSPENDED}, {"subscription_override": None}
        return [
            [self.snapshot(first, 2), self.snapshot(first, 3, **suspended), self.snapshot(first, 4)],
            [self.snapshot(second, 2), self.snapshot(second, 3, **unpaid), self.snapshot(second, 4, **unpaid)],
            [self.snapshot(third, 2, **unpaid), self.snapshot(third, 3), self.snapshot(third, 4, deleted=True)],
        ]

    def uploads(self) -> list[MediaChanged]:
        """Two pictures and a certificate of each vendor, just uploaded."""
        goods = zip(self.vendors, self.pictures, self.certificates, strict=True)
        return [
            medium(media_id, vendor, kind, version=1)
            for vendor, pictures, paper in goods
            for media_id, kind in ((pictures[0], "product"), (pictures[1], "product"), (paper, "coa"))
        ]

    def fates(self) -> list[Event]:
        """Deleted are the first product's first picture, the second's certificate and both pictures of the third; the
        others move to another address.
        """
        gone = {self.pictures[0][0], self.certificates[1], *self.pictures[2]}
        return [self._deletion(one) if one.media_id in gone else self._move(one) for one in self.uploads()]

    def _deletion(self, upload: MediaChanged) -> MediaChanged:
        return upload.model_copy(update={"version": 2, "status": "deleted", "deleted": True})

    def _move(self, upload: MediaChanged) -> MediaChanged:
        moved = upload.public_url and f"{upload.public_url}/moved"
        return upload.model_copy(update={"version": 2, "status": "ready", "public_url": moved})

    def outcomes(self, bought: Sequence[Checkout]) -> list[list[Event]]:
        """Accepted, rejected in part, rejected, canceled, expired, aborted, and one aborted that catalog never saw."""
        accepted, partly, rejected, canceled, expired, aborted, unseen = bought
        orders = dict(zip(self.checkouts, self.orders, strict=True))

        def decided(checkout: Checkout, refused: Sequence[UUID]) -> list[Event]:
            order = orders[checkout.checkout_id]
            return [checkout.created(order), checkout.decided(order, refused)]

        return [
            decided(accepted, []),
            decided(partly, partly.line_ids[:1]),
            decided(rejected, rejected.line_ids),
            [*decided(canceled, []), canceled.canceled(orders[canceled.checkout_id], canceled.line_ids)],
            [
                expired.created(orders[expired.checkout_id]),
                expired.expired(orders[expired.checkout_id], expired.line_ids),
            ],
            [aborted.aborted()],
            [unseen.aborted()],
        ]


async def story(plot: Plot, market: Market) -> list[Told]:
    """Stores are told, list their goods, and sell them to the buyer; what comes after that is answered, numbered."""
    introduced = [plot.snapshot(store_id, 1) for store_id in (*plot.vendors, plot.buyer)]
    opening = [*introduced, *plot.uploads()]
    for event in opening:
        await market.world.hears(event)
    stores = [Store(market, event.store_id, event, event.type) for event in introduced]
    goods = [
        await store.lists(sku=f"SKU-{place}", media_ids=list(map(str, pictures)), coa_media_id=str(paper))
        for place, (store, pictures, paper) in enumerate(zip(stores, plot.pictures, plot.certificates, strict=False))
    ]
    bought = [
        Checkout(market, stores[3], lines, checkout_id)
        for checkout_id, lines in zip(plot.checkouts, lines_of(plot, goods), strict=True)
    ]
    for checkout in bought[:-1]:
        await checkout.reserves()
    streams = [*plot.standings(), *plot.outcomes(bought)]
    by_turns = [event for event in chain(*zip_longest(*streams)) if event is not None]
    return numbered([*opening, *by_turns, *plot.fates()])[len(opening) :]


def lines_of(plot: Plot, goods: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Each checkout takes a unit of every product."""
    return [
        [
            {
                "line_id": str(line_id),
                "product_id": product["id"],
                "vendor_store_id": product["vendor_store_id"],
                "qty": 1,
            }
            for line_id, product in zip(line_ids, goods, strict=True)
        ]
        for line_ids in plot.lines
    ]


async def state_after(servers: TestServers, plot: Plot, arranged: Arranged) -> dict[str, list[dict[str, Any]]]:
    """What a fresh service holds when it has heard the story in this arrangement."""
    async with Market.open(servers) as market:
        told = await story(plot, market)
        assert {type(one.event) for one in told} == set(SERVICE.consumes), "a new fact belongs into the story"
        for one in arranged(told):
            await market.world.hears(one.event, seq=one.seq)
        await market.world.settle()
        await market.assert_counters_agree()
        return {name: [dict(row) for row in await market.rows(query)] for name, query in STATE.items()}


async def test_each_event_twice_and_reordered_gives_same_state(servers: TestServers, reliability: Reliability) -> None:
    plot = Plot()

    in_order = await state_after(servers, plot, lambda told: told)
    in_disorder = await state_after(servers, plot, lambda told: shuffled(told, reliability.chance))

    assert in_disorder == in_order
    assert {row["state"] for row in in_order["reservations"]} == {"confirmed", "released"}
    assert [row["visible_in"] for row in in_order["stock"]] == ["OK", None, None]
    assert [row["is_active"] for row in in_order["products"]] == [True, True, False]
    assert [row["media_id"] for row in in_order["galleries"]] == [plot.pictures[0][1], *plot.pictures[1]]
    assert [bool(row["coa_media_id"]) for row in in_order["products"]] == [True, False, True]
