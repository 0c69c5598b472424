"""A medium is attached and deleted at the same moment, and somebody dies of it (F-C13, spec 12.4).

Whoever wins: no entity points to an object that is gone, and no object stays that nobody asked for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import httpx
import pytest
from faults import arm
from markets import Market
from objects import ObjectStore
from papers import dangling, finalise_after_grace, grace_passes, leaked, unseen

from packhouse.actors import Reply, Vendor, product
from packhouse.files import PDF, PNG, document, picture
from packhouse.stack import Stack
from testkit.reliability import Reliability, Tally

RACE_SECONDS = 0.06
FORMS = [
    pytest.param(20, 2, id="short", marks=pytest.mark.timeout(300)),
    pytest.param(200, 4, id="long", marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
]
SERVICES = ("media", "catalog", "identity")
DEATHS = (
    "outbox.before_commit",
    "outbox.after_commit",
    "relay.before_publish",
    "relay.after_confirm",
    "inbox.before_commit",
    "inbox.after_commit",
)
KEPT = """
select id from media.media m where id = any($1::uuid[]) and status <> 'deleted'
and not exists (select 1 from identity.licenses where media_id = m.id)
"""
GONE = "select count(*) from media.media where status = 'deleted' and store_id = $1::uuid"
Attach = Callable[[str], Awaitable[Reply]]


@dataclass
class Duel:
    """One vendor whose media are fought over; `answers` are those of the deletions, by medium."""

    vendor: Vendor
    product_id: str
    answers: dict[str, int] = field(default_factory=dict)

    @property
    def uses(self) -> dict[str, Attach]:
        """What may be done with a medium of each kind."""
        vendor, goods = self.vendor, f"/api/v1/vendor/products/{self.product_id}"
        return {
            "product": lambda medium: vendor.post(f"{goods}/media", {"media_id": medium}),
            "coa": lambda medium: vendor.ask("PATCH", goods, {"coa_media_id": medium}),
            "license_doc": lambda medium: vendor.adds_licence(medium, f"DUEL-{uuid4().hex[:12]}"),
            "store": lambda medium: vendor.ask("PATCH", "/api/v1/stores/me", {"logo_media_id": medium}),
        }

    async def medium(self, kind: str) -> str:
        data = (document(kind), PDF) if kind in {"coa", "license_doc"} else (picture(kind), PNG)
        return await self.vendor.uploads(kind, *data)

    async def fight(self, kind: str, medium: str, *, attach_after: float, delete_after: float) -> None:
        await asyncio.gather(self._attaches(kind, medium, attach_after), self._deletes(medium, delete_after))

    async def _attaches(self, kind: str, medium: str, after: float) -> None:
        await asyncio.sleep(after)
        with suppress(httpx.TransportError):  # the connection may die with the process: the outcome is unknown
            await self.uses[kind](medium)

    async def _deletes(self, medium: str, after: float) -> None:
        await asyncio.sleep(after)
        with suppress(httpx.TransportError):
            self.answers[medium] = (await self.vendor.deletes_medium(medium)).status


async def _dies(stack: Stack, service: str, failpoint: str | None, after: float) -> None:
    """By itself at the failpoint, or by our hand a moment from now; by our hand too when it did not come by there."""
    if failpoint is not None:
        after += RACE_SECONDS * 5
    await asyncio.sleep(after)
    if stack.process(service).alive:
        await asyncio.to_thread(stack.process(service).kill)


async def _round(stack: Stack, duel: Duel, reliability: Reliability, at_once: int) -> None:
    """So many media are attached and deleted while one of the services dies; then it is back."""
    chance = reliability.chance
    kinds = [chance.choice(list(duel.uses)) for _ in range(at_once)]
    media = [(kind, await duel.medium(kind)) for kind in kinds]
    service, failpoint = chance.choice(SERVICES), chance.choice((None, *DEATHS))
    if failpoint is not None:
        arm(stack, service, f"{failpoint}=kill@1")

    def moment() -> float:
        return chance.uniform(0, RACE_SECONDS)

    fights = [duel.fight(kind, one, attach_after=moment(), delete_after=moment()) for kind, one in media]
    await asyncio.gather(*fights, _dies(stack, service, failpoint, moment()))
    arm(stack, service, "")
    await asyncio.to_thread(stack.restart, service)


@pytest.mark.parametrize(("interleavings", "at_once"), FORMS)
async def test_attach_against_delete_leaves_no_dangling_use_and_no_leaked_object(
    stack: Stack,
    market: Market,
    database: asyncpg.Connection,
    reliability: Reliability,
    interleavings: int,
    at_once: int,
) -> None:
    vendor, rounds, objects = market.vendors[0], interleavings // at_once, ObjectStore.of(stack)
    duel = Duel(vendor, (await vendor.lists(product("DUEL", "Duel"))).expect(201)["id"])

    for _ in range(rounds):
        await _round(stack, duel, reliability, at_once)
    await grace_passes(stack, database)

    lost = await dangling(database, objects, str(vendor.store_id))
    leaks = await leaked(database, objects, str(vendor.store_id))
    deleted = await database.fetchval(GONE, vendor.store_id)
    print(f"deletions answered {sorted(duel.answers.values())}, {deleted} deleted, lost {lost}, leaked {leaks}")
    # In the table a use whose object is gone counts as lost, and an object that nobody has as one too many.
    reliability.record(
        "F-C13",
        faults=rounds,
        at_least=10,
        tally=Tally(lost=len(lost), doubled=len(leaks)),
        interleavings=interleavings,
        deleted=deleted,
    )
    assert await unseen(database) == []
    assert await _kept_though_deleted(database, duel) == []
    assert 0 < deleted < interleavings, "one side always won: the test proved nothing"


async def _kept_though_deleted(database: asyncpg.Connection, duel: Duel) -> list[str]:
    """Media whose deletion was promised (204) and which are there though nothing protects them."""
    promised = [medium for medium, status in duel.answers.items() if status == httpx.codes.NO_CONTENT]
    return [str(row["id"]) for row in await database.fetch(KEPT, promised)]


async def test_a_licence_that_came_while_the_broker_was_down_keeps_its_scan(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    """The grace is over and no event has told of the licence: media asks before it deletes (spec 12.4)."""
    vendor, objects = market.vendors[0], ObjectStore.of(stack)
    scan = await vendor.uploads("license_doc", document("scan"), PDF)
    await asyncio.to_thread(stack.servers.rabbitmq.kill)
    try:
        licence = (await vendor.adds_licence(scan, f"DOWN-{uuid4().hex[:8]}")).expect(201)
        gone = await vendor.deletes_medium(scan)
        await finalise_after_grace(stack, database)
        kept = await objects.keys(f"{vendor.store_id}/license_doc/{scan}")
    finally:
        await asyncio.to_thread(stack.servers.rabbitmq.start)
    await grace_passes(stack, database)

    assert gone.status == httpx.codes.NO_CONTENT
    assert len(kept) == 1
    medium = await vendor.sees_medium(scan)
    assert medium is not None
    assert medium["status"] == "uploaded"
    assert (await vendor.deletes_medium(scan)).status == httpx.codes.CONFLICT
    assert licence["media_id"] == scan
    assert await dangling(database, objects, str(vendor.store_id)) == []
