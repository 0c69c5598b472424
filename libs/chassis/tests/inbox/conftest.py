"""A mill and a baker on real servers, each with its own floor, in one database with two schemas."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr

from chassis.auth import init_keys, key_path, trust_path
from chassis.bus import connect, dead_letter_queue, declare, inbox_queue
from chassis.db.migrations import migrate
from chassis.db.roles import Roles, role_url
from chassis.floor import Floor, open_floor
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from chassis.web import create_app
from testkit.servers import TestServers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import bakery  # noqa: E402  also imported by the processes that tests start
from kitchen import Bakery, Mill, eventually  # noqa: E402


@pytest.fixture(scope="session")
def bakery_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bakery-keys")
    init_keys(directory, ("gateway", "mill", "baker"))
    return directory


@pytest.fixture
async def bakery_url(servers: TestServers) -> AsyncIterator[str]:
    async def build(url: str) -> None:
        for service in (bakery.MILL, bakery.BAKER):
            await migrate(
                service,
                url,
                hmac_secret=bakery.SECRET,
                role_prefix=servers.role_prefix,
                versions=HERE / f"versions_{service.name}",
            )

    async with servers.database("bakery", build) as url:
        yield url


@pytest.fixture
def settings_of(servers: TestServers, bakery_url: str, bakery_keys: Path) -> Callable[..., ServiceSettings]:
    def make(service: Service, **changed: Any) -> ServiceSettings:
        roles = Roles.of(service.name, servers.role_prefix)
        values = {
            "environment": "test",
            "database_url": role_url(bakery_url, roles.app, bakery.SECRET),
            "relay_database_url": role_url(bakery_url, roles.relay, bakery.SECRET),
            "redis_url": servers.redis_url,
            "rabbitmq_url": servers.rabbitmq_url,
            "key_file": key_path(bakery_keys, service.name),
            "trust_file": trust_path(bakery_keys),
            "hmac_secret": SecretStr(bakery.SECRET),
        }
        return service.settings(**{**values, **changed})

    return make


@pytest.fixture(autouse=True)
def known_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.event_map.event_map", lambda: bakery.EVENT_MAP)


@pytest.fixture
def oven() -> bakery.Oven:
    """Cold at the start of each test."""
    bakery.OVEN.__init__()  # type: ignore[misc]  # the handlers hold on to this one
    return bakery.OVEN


@pytest.fixture
async def baker(
    settings_of: Callable[..., ServiceSettings], oven: bakery.Oven, rabbitmq_url: str
) -> AsyncIterator[Bakery]:
    """The baker, with empty queues."""
    async with open_floor(bakery.BAKER, settings_of(bakery.BAKER)) as floor:
        connection = await connect(rabbitmq_url, "test")
        async with connection:
            channel = await connection.channel()
            await declare(channel, bakery.BAKER)
            for name in (inbox_queue("baker"), dead_letter_queue("baker")):
                await (await channel.get_queue(name)).purge()
        yield Bakery(floor, rabbitmq_url, oven)


@pytest.fixture
async def mill(settings_of: Callable[..., ServiceSettings]) -> AsyncIterator[Floor]:
    async with open_floor(bakery.MILL, settings_of(bakery.MILL)) as floor:
        yield floor


@pytest.fixture
async def mill_url(mill: Floor) -> AsyncIterator[str]:
    """The mill's internal routes on a real socket."""
    server = uvicorn.Server(uvicorn.Config(create_app(mill), port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: _started(server))
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest.fixture
def source(mill: Floor, bakery_url: str) -> Mill:
    return Mill(mill, bakery_url)


@pytest.fixture
async def hungry(baker: Bakery, mill_url: str, settings_of: Callable[..., ServiceSettings]) -> AsyncIterator[Bakery]:
    """A baker that knows where the mill is."""
    async with open_floor(bakery.BAKER, settings_of(bakery.BAKER, mill_url=mill_url)) as floor:
        yield Bakery(floor, baker.rabbitmq_url, baker.oven)


async def _started(server: uvicorn.Server) -> bool:
    return server.started
