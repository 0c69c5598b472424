"""One identity per test, on real servers."""

from collections.abc import AsyncIterator

import pytest

from identity.clients.geocoder import Geocoder, StaticGeocoder
from identity.domain.stores import Point
from identity.manifest import SERVICE
from testkit.servers import TestServers
from testkit.world import World

TULSA = Point(lat=36.15, lng=-95.99)


@pytest.fixture
def geocoder() -> StaticGeocoder:
    return StaticGeocoder({"74103": TULSA})


@pytest.fixture
async def world(servers: TestServers, geocoder: StaticGeocoder) -> AsyncIterator[World]:
    world = await World.open(SERVICE, servers, clients={Geocoder: lambda _: geocoder})
    yield world
    await world.close()


@pytest.fixture
async def world_in_production(servers: TestServers) -> AsyncIterator[World]:
    world = await World.open(SERVICE, servers, settings={"environment": "production"})
    yield world
    await world.close()
