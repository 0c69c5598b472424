"""One identity per test, on real servers."""

from collections.abc import AsyncIterator

import pytest

from identity.clients.geocoder import Geocoder, StaticGeocoder
from identity.clients.mail import Mailer, RecordingMailer
from identity.clients.media import FakeMedia, MediaClient
from identity.domain.stores import Point
from identity.manifest import SERVICE
from testkit.servers import TestServers
from testkit.world import World

CHEAP = {"argon2_memory_kib": 64, "argon2_passes": 1}
"""Hashes that cost next to nothing: what is tested is how many there are."""

TULSA = Point(lat=36.15, lng=-95.99)


@pytest.fixture
def geocoder() -> StaticGeocoder:
    return StaticGeocoder({"74103": TULSA})


@pytest.fixture
def media() -> FakeMedia:
    return FakeMedia()


@pytest.fixture
async def world(servers: TestServers, geocoder: StaticGeocoder, media: FakeMedia) -> AsyncIterator[World]:
    clients = {Geocoder: geocoder, MediaClient: media}
    async with World.open(SERVICE, servers, clients=clients, settings=CHEAP) as world:
        yield world


@pytest.fixture
def mailer() -> RecordingMailer:
    return RecordingMailer()


@pytest.fixture
async def world_with_mail(servers: TestServers, mailer: RecordingMailer) -> AsyncIterator[World]:
    settings = {**CHEAP, "app_url": "https://app.example/"}
    async with World.open(SERVICE, servers, clients={Mailer: mailer}, settings=settings) as world:
        yield world


@pytest.fixture
async def world_without_limits(servers: TestServers) -> AsyncIterator[World]:
    async with World.open(SERVICE, servers, settings={**CHEAP, "rate_limits": False}) as world:
        yield world


@pytest.fixture
async def world_in_production(servers: TestServers) -> AsyncIterator[World]:
    async with World.open(SERVICE, servers, settings={**CHEAP, "environment": "production", "mail": "none"}) as world:
        yield world
