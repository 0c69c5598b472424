"""Media in the test process, between clients that upload, a store that tells of it, and services that hold files."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from chassis.failpoints import arm
from contracts.identity import IdentityMediaAttached, IdentityMediaDetached
from contracts.media import EntityType
from kernel.scope import Kyc, Role, StoreType
from media.clients.notices import FakeNotices, Message, NoticesClient
from media.clients.references import FakeReferences, ReferencesClient
from media.clients.storage import FakeStorage, Signer, StorageClient
from media.domain.media import Kind, Mime
from media.listener import take
from media.manifest import SERVICE
from testkit.callers import Caller
from testkit.servers import TestServers
from testkit.world import World

from .samples import GOOD

SETTINGS = {
    "storage_key_file": "nobody.json",
    "storage_private_bucket": "private",
    "storage_public_bucket": "public",
    "storage_public_base": "https://cdn.test/public",
    "pubsub_project": "test",
    "pubsub_subscription": "test",
}
GRACE = timedelta(minutes=15)
FORGOTTEN = (
    "media", "media_attachments", "outbox", "outbox_archive", "aggregate_cursor", "inbox_message",
    "idempotency_records", "job_leases",
)  # fmt: skip


@dataclass
class Medium:
    """A file on its way: what its uploader was told, and what it is."""

    media_id: UUID
    store_id: UUID
    key: str
    kind: str
    mime: str
    data: bytes
    presigned: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/api/v1/media/{self.media_id}"


@dataclass
class House:
    """Everything around one world."""

    world: World
    storage: FakeStorage
    references: FakeReferences

    def member(self, role: Role = Role.OWNER, store_id: UUID | None = None) -> Caller:
        return member_of(self.world, role, store_id)

    async def presign(
        self, member: Caller, kind: Kind = Kind.PRODUCT, mime: Mime = Mime.PNG, data: bytes | None = None
    ) -> Medium:
        bytes_ = GOOD[mime] if data is None else data
        answer = await asks(member, kind, mime, len(bytes_))
        assert answer.status_code == 200, answer.text
        told = answer.json()["data"]
        assert member.store_id is not None
        return Medium(UUID(told["media_id"]), member.store_id, told["gcs_key"], kind, mime, bytes_, told)

    def put(self, medium: Medium, data: bytes | None = None, mime: str | None = None) -> None:
        """The client follows its link, or does what no link would allow."""
        self.storage.put(medium.key, medium.data if data is None else data, mime or medium.mime)

    async def uploaded(
        self, member: Caller, kind: Kind = Kind.PRODUCT, mime: Mime = Mime.PNG, data: bytes | None = None
    ) -> Medium:
        """Presigned, put, and told of."""
        medium = await self.presign(member, kind, mime, data)
        self.put(medium)
        assert await self.tells(medium.key) is None
        return medium

    async def tells(self, key: str, event: str = "OBJECT_FINALIZE", **changes: Any) -> timedelta | None:
        """The store tells of an object; answers what becomes of the message."""
        return await take(self.world.floor, notice(key, event, **changes))

    async def state(self, medium: Medium) -> dict[str, Any]:
        """The medium as catalog would be told."""
        answer = await self.world.service_caller("catalog").get(f"/internal/v1/media/{medium.media_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"])

    async def status(self, medium: Medium) -> str:
        return str((await self.state(medium))["status"])

    async def attached(self, medium: Medium, entity: EntityType = "license") -> IdentityMediaAttached:
        """Identity holds the medium from now on."""
        event = use_of(medium, entity)
        await self.world.hears(event)
        return event

    async def is_over(self, use: IdentityMediaAttached, *, purge: bool = False) -> None:
        await self.world.hears(end_of(use, purge=purge))

    async def forgets(self) -> None:
        """Everything but which events were heard: they may be delivered once more."""
        arm("")
        self.world.clock.turn(-self.world.clock.offset)
        self.storage.forgets()
        self.references.held.clear()
        self.references.away = False
        admin = await asyncpg.connect(self.world.admin_url, server_settings={"search_path": "media"})
        await admin.execute(f"truncate {', '.join(FORGOTTEN)}")
        await admin.close()

    async def grace_passes(self) -> None:
        self.world.clock.turn(GRACE + timedelta(seconds=1))
        await self.world.runs("finalise-deletes")


def member_of(world: World, role: Role = Role.OWNER, store_id: UUID | None = None) -> Caller:
    """Somebody who may act for a store, a new one unless it is named."""
    return world.caller(
        user_id=uuid4(),
        store_id=store_id or uuid4(),
        store_type=StoreType.VENDOR,
        role=role,
        kyc_status=Kyc.VERIFIED,
    )


async def asks(
    member: Caller, kind: str, mime: str, size: Any, name: str = "scan 1.png", **more: Any
) -> httpx.Response:
    body = {"media_kind": kind, "mime_type": mime, "file_name": name, "size_bytes": size}
    return await member.post("/api/v1/media/presign", {**body, **more})


def notice(key: str, event: str = "OBJECT_FINALIZE", *, age: timedelta = timedelta(0), **changes: Any) -> Message:
    """A message as Cloud Storage sends it."""
    body = {"kind": "storage#object", "name": key, "bucket": "private", "size": "1", "contentType": "image/png"}
    attributes = {"eventType": event, "payloadFormat": "JSON_API_V1", "bucketId": "private", "objectId": key}
    attributes |= changes.pop("attributes", {})
    data = changes.pop("data", None) or json.dumps({**body, **changes}).encode()
    return Message(str(uuid4()), attributes, data, datetime.now(UTC) - age)


def use_of(medium: Medium, entity: EntityType = "license") -> IdentityMediaAttached:
    return IdentityMediaAttached(
        attachment_id=uuid4(),
        media_id=medium.media_id,
        entity_type=entity,
        entity_id=uuid4(),
        store_id=medium.store_id,
        gcs_key=medium.key,
        attached_at=datetime.now(UTC),
    )


def end_of(use: IdentityMediaAttached, *, purge: bool = False) -> IdentityMediaDetached:
    facts = use.model_dump(exclude={"gcs_key", "attached_at"})
    return IdentityMediaDetached(**facts, detached_at=datetime.now(UTC), purge=purge)


@pytest.fixture(scope="module")
async def table_house(servers: TestServers) -> AsyncIterator[House]:
    """One for all tests of a file, and for all rows of a table."""
    async with a_house(servers) as house:
        yield house


@pytest.fixture
async def house(table_house: House) -> House:
    """The same, as if nobody had been there."""
    await table_house.forgets()
    return table_house


@asynccontextmanager
async def a_house(servers: TestServers) -> AsyncIterator[House]:
    storage, references = FakeStorage(), FakeReferences()
    clients: dict[type, Any] = {
        StorageClient: storage,
        Signer: storage,
        NoticesClient: FakeNotices(),
        ReferencesClient: references,
    }
    async with World.open(SERVICE, servers, clients=clients, settings=SETTINGS) as world:
        yield House(world, storage, references)


@pytest.fixture
def member(house: House) -> Caller:
    return house.member()
