"""The pantry, a made-up service, started in the test process: its app on an open floor, and callers with contexts."""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from chassis.auth import Context, SigningKey, init_keys, key_path, mint_context, mint_service_token, trust_path
from chassis.clock import SystemClock
from chassis.db.migrations import migrate
from chassis.db.roles import Roles, role_url
from chassis.floor import Floor, open_floor
from chassis.idempotency import Claim, Scope, fingerprint, take
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from chassis.web import WEEK, create_app
from kernel.scope import Kyc, Role, StoreType
from testkit.servers import TestServers

SERVICES = Path(__file__).parent / "services"
sys.path.insert(0, str(SERVICES))

from pantry.manifest import GATE, SERVICE, Gate  # noqa: E402  the made-up service is found by the path above

SECRET = "f4b1c0de" * 5
ISSUERS = ("gateway", "pantry", "orders", "catalog")


@dataclass
class House:
    """One running pantry: its app, its floor, and callers with signed contexts."""

    floor: Floor
    http: httpx.AsyncClient
    keys: Path
    user_id: UUID = field(default_factory=uuid4)
    store_id: UUID = field(default_factory=uuid4)

    def context(self, method: str, path: str, **changed: Any) -> str:
        who = {
            "request_id": str(uuid4()),
            "user_id": self.user_id,
            "sid": uuid4(),
            "store_id": self.store_id,
            "store_type": StoreType.VENDOR,
            "kyc_status": Kyc.VERIFIED,
            "role": Role.OWNER,
        }
        key = SigningKey.load(key_path(self.keys, "gateway"))
        return mint_context(key, Context(**{**who, **changed}), audience="pantry", method=method, path=path)

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        **who: Any,
    ) -> httpx.Response:
        sent = {"X-PF-Context": self.context(method, path.partition("?")[0], **who), **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        if raw is not None:
            return await self.http.request(
                method, path, content=raw, headers={"Content-Type": "application/json", **sent}
            )
        return await self.http.request(method, path, json=body, headers=sent)

    def service_token(self, name: str, audience: str = "pantry") -> str:
        key = SigningKey.load(key_path(self.keys, name))
        return mint_service_token(key, issuer=name, audience=audience, request_id="r-1", act_store_id=self.store_id)

    async def jar(self, name: str = "salt") -> str:
        made = await self.ask("POST", "/api/v1/jars", {"name": name})
        assert made.status_code == 201, made.text
        jar_id: str = made.json()["data"]["id"]
        return jar_id

    async def opened(self, jar_id: str) -> int:
        async with self.floor.db.reader() as db:
            times: int = await db.fetchval("select opened from jars where id = $1", UUID(jar_id))
            return times

    async def run(self, sql: str) -> list[dict[str, Any]]:
        async with self.floor.db.reader() as db:
            return [dict(row) for row in await db.fetch(sql)]

    async def lapse_leases(self) -> None:
        await self.run("update idempotency_records set lease_expires_at = now() - interval '1 second' returning id")

    async def scope_for(self, path: str, key: str) -> Scope:
        """The scope of a POST without a body by this house's user."""
        body_hmac = fingerprint(SECRET, "body", b"")
        return Scope(str(self.user_id), self.store_id, "POST", path, key, body_hmac)

    async def claim_of_a_dead_process(self, path: str, key: str) -> Claim:
        claim = await take(self.floor.db, await self.scope_for(path, key), WEEK)
        assert isinstance(claim, Claim)
        return claim

    @staticmethod
    def scope_of(record: dict[str, Any]) -> Scope:
        return Scope(**{name: record[name] for name in Scope.__dataclass_fields__})

    async def records(self) -> list[dict[str, Any]]:
        async with self.floor.db.reader() as db:
            return [dict(row) for row in await db.fetch("select * from idempotency_records order by created_at")]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    init_keys(directory, ISSUERS)
    return directory


@pytest.fixture(scope="session")
async def pantry_url(servers: TestServers) -> AsyncIterator[str]:
    """One database for all of these tests: `house` empties its tables, which is quicker than a new one."""

    async def build(url: str) -> None:
        await migrate(SERVICE, url, hmac_secret=SECRET, role_prefix=servers.role_prefix)

    async with servers.database("pantry", build) as url:
        yield url


@pytest.fixture(scope="session")
def settings(servers: TestServers, pantry_url: str, keys: Path) -> ServiceSettings:
    roles = Roles.of("pantry", servers.role_prefix)
    return ServiceSettings(
        environment="test",
        database_url=role_url(pantry_url, roles.app, SECRET),
        relay_database_url=role_url(pantry_url, roles.relay, SECRET),
        redis_url=servers.redis_url,
        rabbitmq_url=servers.rabbitmq_url,
        key_file=key_path(keys, "pantry"),
        trust_file=trust_path(keys),
        hmac_secret=SecretStr(SECRET),
    )


@pytest.fixture
async def house(settings: ServiceSettings, keys: Path) -> AsyncIterator[House]:
    GATE.let_others_through()
    GATE.away = False
    async with open_floor(SERVICE, settings, clock=SystemClock()) as floor:
        async with floor.db.reader() as db:
            await db.fetch("delete from jars")
            await db.fetch("delete from idempotency_records")
        transport = httpx.ASGITransport(app=create_app(floor))
        async with httpx.AsyncClient(transport=transport, base_url="http://pantry") as http:
            yield House(floor, http, keys)


@pytest.fixture
def gate() -> Gate:
    return GATE


@pytest.fixture
def pantry() -> Service:
    return SERVICE


@pytest.fixture
def environment(servers: TestServers, settings: ServiceSettings, pantry_url: str) -> dict[str, str]:
    """What a pantry process of its own is told."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SERVICES),
        "PACKHOUSE_ENVIRONMENT": "test",
        "PACKHOUSE_DATABASE_URL": settings.database_url,
        "PACKHOUSE_RELAY_DATABASE_URL": settings.relay_database_url,
        "PACKHOUSE_ADMIN_DATABASE_URL": pantry_url,
        "PACKHOUSE_ROLE_PREFIX": servers.role_prefix,
        "PACKHOUSE_REDIS_URL": settings.redis_url,
        "PACKHOUSE_RABBITMQ_URL": settings.rabbitmq_url,
        "PACKHOUSE_KEY_FILE": str(settings.key_file),
        "PACKHOUSE_TRUST_FILE": str(settings.trust_file),
        "PACKHOUSE_HMAC_SECRET": SECRET,
    }
