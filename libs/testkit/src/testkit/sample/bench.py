"""The sample service on real servers, without app or worker: a database of its own, its roles, and an empty broker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg

from chassis.clock import SystemClock
from chassis.db import Database
from chassis.db.migrations import migrate
from chassis.db.roles import Roles, role_url
from chassis.settings import ServiceSettings
from contracts.event import Event
from kernel.scope import Actor
from testkit.sample.manifest import SERVICE
from testkit.servers import TestServers

SECRET = "4f2c9d0a7e61b8354f2c9d0a7e61b835"  # noqa: S105  of a database that lives for one test
VERSIONS = Path(__file__).parent / "migrations" / "versions"


@dataclass
class Bench:
    """What a test of the floor's database side holds."""

    admin_url: str
    roles: Roles
    settings: ServiceSettings
    clock: SystemClock
    db: Database

    @property
    def floor(self) -> Any:
        """As much of a `Floor` as relay and consumer read."""
        return SimpleNamespace(service=SERVICE, settings=self.settings, clock=self.clock, db=self.db)

    async def say(self, *events: Event) -> None:
        """Emit in one transaction."""
        async with self.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
            for event in events:
                tx.emit(event)

    async def count(self, table: str) -> int:
        async with self.connected() as admin:
            return int(await admin.fetchval(f"select count(*) from {table}"))

    @asynccontextmanager
    async def connected(self, url: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A plain connection, as superuser unless `url` says otherwise, that sees the service's schema."""
        connection = await asyncpg.connect(url or self.admin_url, server_settings={"search_path": "sample, public"})
        try:
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def opened(servers: TestServers) -> AsyncIterator[Bench]:
    async def build(url: str) -> None:
        await migrate(SERVICE, url, hmac_secret=SECRET, role_prefix=servers.role_prefix, versions=VERSIONS)

    async with servers.database("sample", build) as admin_url:
        roles = Roles.of(SERVICE.name, servers.role_prefix)
        settings = ServiceSettings(
            environment="test",
            database_url=role_url(admin_url, roles.app, SECRET),
            relay_database_url=role_url(admin_url, roles.relay, SECRET),
            redis_url=servers.redis_url,
            rabbitmq_url=servers.rabbitmq_url,
            key_file=Path("unused"),
            trust_file=Path("unused"),
            hmac_secret=SECRET,
        )
        clock = SystemClock()
        db = await Database.open(SERVICE, settings, clock)
        try:
            yield Bench(admin_url, roles, settings, clock, db)
        finally:
            await db.close()
