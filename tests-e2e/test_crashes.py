"""A service that dies around the commit of a write leaves both the change and its event, or neither (F-D1, F-D2).

Each flow that says something is asked three times with one key: the service dies before the commit, then after it, then
it answers. Checkout and abort die at all their steps in test_saga.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from faults import arm
from markets import PLACED, Market, a_key, at_rest

from packhouse.actors import OKLAHOMA_CITY, PASSWORD, Reply, product
from packhouse.eventually import eventually
from packhouse.files import PDF, PNG, document, picture
from packhouse.stack import Stack
from testkit.reliability import Reliability, Tally

DIES_WITHIN = 60.0
BEFORE, AFTER, NEVER = "outbox.before_commit=kill@1", "outbox.after_commit=kill@1", ""

EVENTS = """
select event_id, aggregate_id, aggregate_seq from {0}.outbox
union select event_id, aggregate_id, aggregate_seq from {0}.outbox_archive
"""


GALLERY = "select count(*) from catalog.product_media where product_id = $1::uuid and media_id = $2::uuid"
LAPSE = "update {0}.idempotency_records set lease_expires_at = now() where state = 'in_progress'"


@dataclass(frozen=True)
class Flow:
    """`ask(key)` sends the request; `effect` is a query for what it leaves, true or false or a count."""

    name: str
    ask: Callable[[str], Awaitable[Reply]]
    effect: str
    arguments: Sequence[Any] = ()
    unchanged: Any = 0
    changed: Any = 1
    statuses: tuple[int, ...] = (200, 201)


@dataclass
class Service:
    """One service that dies at its commits, and what it wrote."""

    name: str
    stack: Stack
    database: asyncpg.Connection
    deaths: int = 0

    async def dies(self, flow: Flow, key: str) -> None:
        """Ask, and get no answer but that the service is gone."""
        with suppress(httpx.TransportError):
            answer = await flow.ask(key)
            assert answer.status == httpx.codes.SERVICE_UNAVAILABLE, f"{flow.name} was answered: {answer}"

        async def dead() -> bool:
            return not self.stack.process(self.name).alive

        await eventually(dead, within=DIES_WITHIN)
        self.deaths += 1

    async def restarts(self, failpoint: str) -> None:
        """The claims of the dead process are over, as after 30 s, and no job says anything that could die first."""
        await self.database.execute(LAPSE.format(self.name))
        await self.database.execute(PLACED)
        arm(self.stack, self.name, failpoint)
        self.stack.restart(self.name)

    async def events(self) -> set[str]:
        return {str(row["event_id"]) for row in await self.database.fetch(EVENTS.format(self.name))}

    async def effect(self, flow: Flow) -> Any:
        return await self.database.fetchval(flow.effect, *flow.arguments)


@dataclass
class Findings:
    ghosts: int = 0
    lost: int = 0
    doubled: int = 0


async def dies_around_the_commit(service: Service, flow: Flow, found: Findings) -> None:
    """The service is armed to die before its next commit; it is left armed so for the flow after this one."""
    key, before = a_key(), await service.events()
    await service.dies(flow, key)
    found.ghosts += (await service.effect(flow) != flow.unchanged) + len(await service.events() - before)

    await service.restarts(AFTER)
    await service.dies(flow, key)
    said = await service.events() - before
    found.lost += (await service.effect(flow) != flow.changed) + (not said)

    await service.restarts(BEFORE)
    answer = await flow.ask(key)
    assert answer.status in flow.statuses, f"{flow.name}: {answer}"
    found.doubled += (await service.effect(flow) != flow.changed) + len(await service.events() - before - said)


async def people(market: Market) -> list[Flow]:
    """What identity says."""
    vendor, admin = market.vendors[0], market.admin
    name, email = f"Crash {a_key()}", f"crash-{a_key()}@example.net"
    account = {"first_name": "Sam", "last_name": "Reed", "email": email, "password": PASSWORD}
    store = {"company_name": name, "store_type": "buyer", "address": dict(OKLAHOMA_CITY), "accept_tos": True}
    house = {**account, "email": f"house-{email}"}
    standing = {"kyc_override": None, "subscription_override": "active", "reason": "a crash"}
    path = f"/api/v1/admin/stores/{vendor.store_id}/standing"
    return [
        Flow(
            "register",
            lambda key: market.buyers[0].post("/api/v1/auth/register", {**account, **store}, key=key),
            "select count(*) from identity.stores where company_name = $1",
            [name],
        ),
        Flow(
            "admin register",
            lambda key: market.buyers[0].post("/api/v1/admin/auth/register", house, key=key),
            "select count(*) from identity.users where email = $1",
            [house["email"]],
        ),
        Flow(
            "profile",
            lambda key: vendor.ask("PATCH", "/api/v1/stores/me", {"company_name": f"New {name}"}, key=key),
            "select count(*) from identity.stores where company_name = $1",
            [f"New {name}"],
        ),
        Flow(
            "standing",
            lambda key: admin.put(path, standing, key=key),
            "select kyc_override from identity.stores where id = $1::uuid",
            [vendor.store_id],
            unchanged="verified",
            changed=None,
        ),
    ]


async def goods(market: Market) -> list[Flow]:
    """What catalog says."""
    vendor = market.vendors[1]
    offered = (await vendor.lists(product("CRASH", "Goods"))).expect(201)["id"]
    path, shown = f"/api/v1/vendor/products/{offered}", {"media_ids": [await vendor.has_picture()]}
    further = await vendor.uploads("product", picture("CRASH"), PNG)
    return [
        Flow(
            "product create",
            lambda key: vendor.post("/api/v1/vendor/products", product("CRASH-2", "More", **shown), key=key),
            "select count(*) from catalog.products where store_id = $1::uuid and sku = 'CRASH-2'",
            [vendor.store_id],
        ),
        Flow(
            "product change",
            lambda key: vendor.ask("PATCH", path, {"title": "Better goods"}, key=key),
            "select count(*) from catalog.products where id = $1::uuid and title = 'Better goods'",
            [offered],
        ),
        Flow(
            "picture add",
            lambda key: vendor.post(f"{path}/media", {"media_id": further}, key=key),
            GALLERY,
            [offered, further],
        ),
        Flow(
            "picture remove",
            lambda _: vendor.ask("DELETE", f"{path}/media/{further}"),
            GALLERY,
            [offered, further],
            unchanged=1,
            changed=0,
            statuses=(204, 404),
        ),
        Flow(
            "stock set to nothing",
            lambda key: vendor.put(f"/api/v1/inventory/{offered}", {"available_qty": 0}, key=key),
            "select count(*) from catalog.inventory_movements where product_id = $1::uuid and kind = 'set'",
            [offered],
        ),
        Flow(
            "product delete",
            lambda _: vendor.ask("DELETE", path),
            "select count(*) from catalog.products where id = $1::uuid and deleted_at is not null",
            [offered],
            statuses=(204, 404),
        ),
    ]


async def files(market: Market) -> list[Flow]:
    """What media says."""
    vendor = market.vendors[0]
    unwanted = await vendor.uploads("product", picture("CRASH"), PNG)
    name = f"crash-{a_key()}.png"
    wanted = {"media_kind": "product", "mime_type": PNG, "file_name": name, "size_bytes": 100}
    return [
        Flow(
            "presign",
            lambda key: vendor.post("/api/v1/media/presign", wanted, key=key),
            "select count(*) from media.media where file_name = $1",
            [name],
        ),
        Flow(
            "medium delete",
            lambda _: vendor.deletes_medium(unwanted),
            "select count(*) from media.media where id = $1::uuid and status = 'delete_requested'",
            [unwanted],
            statuses=(204,),
        ),
    ]


async def licences(market: Market) -> list[Flow]:
    """What identity says of licences."""
    vendor, admin, number = market.vendors[0], market.admin, f"CRASH-{a_key()}"
    scan = await vendor.uploads("license_doc", document("CRASH"), PDF)
    applied = {"media_id": scan, "issuing_state": "OK", "type": "grower", "number": number}
    verified, refused = [await vendor.proves_itself(f"CRASH-{a_key()}") for _ in range(2)]
    review = {"decision": "verified"}
    (await admin.rejects(refused["id"], "a crash")).expect(200)
    return [
        Flow(
            "licence create",
            lambda key: vendor.post("/api/v1/licenses", applied, key=key),
            "select count(*) from identity.licenses where number = $1",
            [number],
        ),
        Flow(
            "licence verify",
            lambda key: admin.post(f"/api/v1/admin/licenses/{verified['id']}/verify", review, key=key),
            "select status from identity.licenses where id = $1::uuid",
            [verified["id"]],
            unchanged="pending",
            changed="verified",
        ),
        Flow(
            "licence delete",
            lambda _: vendor.removes_licence(refused["id"]),
            "select count(*) from identity.licenses where id = $1::uuid",
            [refused["id"]],
            unchanged=1,
            changed=0,
            statuses=(200, 404),
        ),
    ]


async def orders(market: Market) -> list[Flow]:
    """What orders says beside the checkout."""
    vendor, buyer = market.vendors[1], market.buyers[0]
    await market.lists(vendor, "DECIDED", units=10)
    placed = []
    for quantity in (2, 1):
        cart = await market.filled_cart(buyer, {"DECIDED": quantity})
        placed += (await buyer.checks_out(cart)).expect(201)["vendor_orders"]
    own, line, other = placed[0]["order_id"], placed[0]["items"][0]["line_item_id"], placed[1]["order_id"]
    sold = f"/api/v1/vendor/orders/{own}"

    def reaches(status: str) -> str:
        return f"select count(*) from orders.vendor_orders where id = $1::uuid and status = '{status}'"

    return [
        Flow(
            "nudge",
            lambda key: buyer.post(f"/api/v1/orders/{own}/nudge", {}, key=key),
            "select count(*) from orders.vendor_orders where id = $1::uuid and buyer_nudged_at is not null",
            [own],
            statuses=(202,),
        ),
        Flow(
            "decision on a line",
            lambda key: vendor.post(
                f"{sold}/line-items/decision", {"line_item_id": line, "decision": "accept"}, key=key
            ),
            reaches("accepted"),
            [own],
        ),
        Flow(
            "decision",
            lambda key: vendor.post(f"/api/v1/vendor/orders/{other}/decision", {"decision": "accepted"}, key=key),
            reaches("accepted"),
            [other],
        ),
        Flow("fulfill", lambda key: vendor.post(f"{sold}/fulfill", {}, key=key), reaches("hold"), [own]),
        Flow("cancel", lambda key: buyer.post(f"/api/v1/orders/{own}/cancel", {}, key=key), reaches("canceled"), [own]),
    ]


FLOWS: dict[str, tuple[str, Callable[[Market], Awaitable[list[Flow]]]]] = {
    "orders": ("orders", orders),
    "catalog": ("catalog", goods),
    "media": ("media", files),
    "people": ("identity", people),
    "licences": ("identity", licences),
}
"""By what they are about: the service that dies, and what is asked of it."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FLOWS)
async def test_a_service_that_dies_around_a_commit_has_said_and_done_both_or_neither(
    stack: Stack, market: Market, database: asyncpg.Connection, reliability: Reliability, name: str
) -> None:
    dying, made = FLOWS[name]
    flows = await made(market)
    await eventually(lambda: at_rest(database), within=30)
    service, found = Service(dying, stack, database), Findings()
    await service.restarts(BEFORE)
    try:
        for flow in flows:
            await dies_around_the_commit(service, flow, found)
    finally:
        await service.restarts(NEVER)

    done = [flow.name for flow in flows]
    reliability.record("F-D1", faults=len(flows), tally=Tally(doubled=found.ghosts), flows=done)
    reliability.record("F-D2", faults=len(flows), tally=Tally(lost=found.lost, doubled=found.doubled), flows=done)
    assert service.deaths == 2 * len(flows)
    await eventually(lambda: at_rest(database), within=60)
