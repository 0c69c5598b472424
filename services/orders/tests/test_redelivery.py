"""What orders hears comes early, late and twice, and leaves what it leaves in order (spec 1.9)."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from contracts.event import Event
from kernel.scope import Kyc, StoreType
from orders.clients.catalog import CatalogClient
from orders.clients.fake_catalog import FakeCatalog
from orders.clients.identity import FakeIdentity, IdentityClient
from orders.manifest import SERVICE
from testkit.recording import Told, numbered, shuffled
from testkit.reliability import Reliability
from testkit.servers import TestServers
from testkit.world import World

from .conftest import store_snapshot

VERSIONS = 6


def recording(stores: Sequence[UUID]) -> list[Event]:
    """Stores that change by turns; the first is suspended in the end, and the last is gone."""
    told = []
    for version in range(1, VERSIONS + 1):
        for place, store_id in enumerate(stores):
            snapshot = store_snapshot(store_id, f"Name {version} of {place}", StoreType.VENDOR, version)
            kyc_status = Kyc.SUSPENDED if (place, version) == (0, VERSIONS) else Kyc.VERIFIED
            gone = (place, version) == (len(stores) - 1, VERSIONS)
            told.append(snapshot.model_copy(update={"kyc_status": kyc_status, "deleted": gone}))
    return told


async def projections(servers: TestServers, deliveries: Sequence[Told]) -> list[dict[str, Any]]:
    """What a fresh service has kept when it has heard all of this."""
    clients = {CatalogClient: FakeCatalog(), IdentityClient: FakeIdentity()}
    async with World.open(SERVICE, servers, clients=clients) as world:
        for one in deliveries:
            await world.hears(one.event, seq=one.seq)
        await world.settle()
        async with world.db.reader() as db:
            return [dict(row) for row in await db.fetch("select * from stores order by store_id")]


async def test_each_event_twice_and_reordered_gives_same_state(servers: TestServers, reliability: Reliability) -> None:
    told = numbered(recording([uuid4() for _ in range(4)]))
    mixed = shuffled(told, reliability.chance)
    assert {type(one.event) for one in told} == set(SERVICE.consumes), "a new fact belongs into the recording"

    in_order, in_disorder = await projections(servers, told), await projections(servers, mixed)

    assert in_disorder == in_order
    assert [row["version"] for row in in_order] == [VERSIONS] * 4
    assert sum(row["deleted"] for row in in_order) == 1
