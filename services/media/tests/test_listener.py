"""The storage listener on the emulators: what a client's PUT becomes, whatever is killed (issue 4, must hold 2)."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from contracts.media import MediaChanged
from kernel.scope import Actor
from media.clients.references import FakeReferences, ReferencesClient
from media.clients.storage import StorageClient
from media.domain.media import Kind, Mime
from media.listener import listen
from media.manifest import SERVICE
from packhouse.eventually import eventually
from testkit.callers import Caller
from testkit.cloud import Cloud
from testkit.reliability import counted
from testkit.servers import TestServers
from testkit.world import World

from .conftest import asks, member_of
from .samples import GOOD, SVG

WITHIN_SECONDS = 2.0
AFTER_A_KILL_SECONDS = 40.0
PLACES = (
    "listener.received",
    "listener.looked",
    "listener.copied",
    "listener.before_ack",
    "media.before_commit",
    "media.after_commit",
)
"""Every step of the listener."""


@dataclass
class Site:
    """Media on the emulators, and a client with nothing but HTTP."""

    world: World
    cloud: Cloud
    http: httpx.AsyncClient
    member: Caller

    async def uploads(self, kind: Kind = Kind.PRODUCT, mime: Mime = Mime.PNG, data: bytes | None = None) -> UUID:
        """Presign and PUT, as the answer says."""
        body = GOOD[mime] if data is None else data
        told = (await asks(self.member, kind, mime, len(body))).json()["data"]
        answer = await self.http.put(told["signed_put_url"], content=body, headers=told["headers"])
        assert answer.status_code == 200, answer.text
        return UUID(told["media_id"])

    async def medium(self, media_id: UUID) -> dict[str, Any]:
        answer = await self.world.service_caller("catalog").get(f"/internal/v1/media/{media_id}")
        return dict(answer.json()["data"])

    async def becomes(self, media_id: UUID, status: str, *, within: float = WITHIN_SECONDS) -> dict[str, Any]:
        """The medium in that state; raises TimeoutError when it does not come to it."""

        async def is_there() -> bool:
            return bool((await self.medium(media_id))["status"] == status)

        await eventually(is_there, within=within, every=0.02)
        return await self.medium(media_id)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """The listener of a worker in this process."""
        stop = asyncio.Event()
        task = asyncio.create_task(listen(self.world.floor, stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 20)

    async def process(self, failpoints: str = "") -> asyncio.subprocess.Process:
        """`python -m chassis media storage-listener`, as a container runs it."""
        fields = self.world.floor.settings.model_dump()
        fields["hmac_secret"] = self.world.floor.settings.hmac_secret.get_secret_value()
        told = {f"PACKHOUSE_{name.upper()}": str(value) for name, value in fields.items() if value is not None}
        environment = {**_without_ours(os.environ), **told, "PACKHOUSE_FAILPOINTS": failpoints}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chassis", "media", "storage-listener", env=environment,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("PACKHOUSE_")}


@pytest.fixture
async def site(servers: TestServers, cloud: Cloud) -> AsyncIterator[Site]:
    base = f"{cloud.storage_url}/{cloud.public_bucket}"
    settings = {**cloud.settings, "storage_public_base": base}
    clients = {ReferencesClient: FakeReferences()}
    async with World.open(SERVICE, servers, clients=clients, settings=settings) as world, httpx.AsyncClient() as http:
        yield Site(world, cloud, http, member_of(world))


async def test_a_put_is_uploaded_within_two_seconds_and_can_be_read(site: Site) -> None:
    async with site.listening():
        media_id = await site.uploads(Kind.PRODUCT)

        medium = await site.becomes(media_id, "uploaded")

    (listed,) = (await site.member.get("/api/v1/media")).json()["data"]["items"]
    assert (await site.http.get(listed["signed_url"])).content == GOOD[Mime.PNG]
    assert (await site.http.get(medium["public_url"])).content == GOOD[Mime.PNG]


async def test_a_private_file_is_read_by_its_link_alone(site: Site) -> None:
    async with site.listening():
        media_id = await site.uploads(Kind.LICENSE_DOC, Mime.PDF)

        medium = await site.becomes(media_id, "uploaded")

    (listed,) = (await site.member.get("/api/v1/media")).json()["data"]["items"]
    signed = listed["signed_url"]
    for bucket in (site.cloud.private_bucket, site.cloud.public_bucket):
        plain = await site.http.get(f"{site.cloud.storage_url}/{bucket}/{medium['gcs_key']}")
        assert plain.status_code in {403, 404}
    assert medium["public_url"] is None
    assert (await site.http.get(signed)).content == GOOD[Mime.PDF]
    assert (await site.http.get(signed[:-1] + ("0" if signed[-1] != "0" else "1"))).status_code == 403


async def test_a_script_in_a_pictures_clothes_fails_and_is_deleted(site: Site) -> None:
    async with site.listening():
        media_id = await site.uploads(Kind.PRODUCT, Mime.PNG, SVG)

        medium = await site.becomes(media_id, "failed")
        await eventually(lambda: _is_gone(site, medium["gcs_key"]), within=WITHIN_SECONDS)


async def test_what_came_while_nobody_listened_is_taken_later(site: Site) -> None:
    ids = [await site.uploads() for _ in range(3)]

    async with site.listening():
        for media_id in ids:
            await site.becomes(media_id, "uploaded", within=10)


@pytest.mark.timeout(240)
async def test_killed_at_each_step_no_message_is_lost(site: Site) -> None:
    """Six listeners share the messages; each dies by SIGKILL at another step, with whatever it holds. The next one
    finds everything.
    """
    dying = await asyncio.gather(*(site.process(f"{place}=kill@1") for place in PLACES))
    ids: list[UUID] = []
    async with asyncio.timeout(AFTER_A_KILL_SECONDS * 2):
        while any(one.returncode is None for one in dying):
            ids.append(await site.uploads())
            await asyncio.wait([asyncio.ensure_future(one.wait()) for one in dying], timeout=0.5)

    async with site.listening():
        for media_id in ids:
            await site.becomes(media_id, "uploaded", within=AFTER_A_KILL_SECONDS)

    assert [one.returncode for one in dying] == [-9] * len(PLACES)
    said = Counter(one.media_id for one in await site.world.emitted(MediaChanged) if one.status == "uploaded")
    assert said == dict.fromkeys(ids, 1)


async def test_the_listener_of_a_process_ends_when_it_is_told(site: Site) -> None:
    running = await site.process()
    await site.becomes(await site.uploads(), "uploaded", within=AFTER_A_KILL_SECONDS)

    running.terminate()

    assert await asyncio.wait_for(running.wait(), 25) == 0


async def test_an_object_that_is_told_of_before_its_row_is_taken_when_the_row_is_there(site: Site) -> None:
    presigned = (await asks(site.member, "coa", "application/pdf", len(GOOD[Mime.PDF]))).json()["data"]
    media_id = UUID(presigned["media_id"])
    await _gets_key(site, media_id, "not yet")

    async with site.listening():
        early = counted("storage_notices_total", outcome="early")
        await site.http.put(presigned["signed_put_url"], content=GOOD[Mime.PDF], headers=presigned["headers"])
        await eventually(lambda: _more(early), within=10)
        await _gets_key(site, media_id, presigned["gcs_key"])

        await site.becomes(media_id, "uploaded", within=30)


async def _gets_key(site: Site, media_id: UUID, key: str) -> None:
    async with site.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update media set gcs_key = $2 where id = $1", media_id, key)


async def _more(early: float) -> bool:
    return counted("storage_notices_total", outcome="early") > early


async def test_ready_reports_each_dead_dependency(site: Site, servers: TestServers) -> None:
    """The first look is slow, because Google's libraries are imported by it."""

    async def is_ready() -> bool:
        return bool((await site.world.nobody.get("/health/ready")).status_code == 200)

    await eventually(is_ready, within=20)

    away = {"storage_url": "http://127.0.0.1:9", "pubsub_subscription": "nobody"}
    async with World.open(SERVICE, servers, settings={**site.cloud.settings, **away}) as world:
        answer = await world.nobody.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json()["error"]["details"]["failures"].keys() == {"storage", "pubsub"}


async def _is_gone(site: Site, key: str) -> bool:
    return not await site.world.floor.client(StorageClient).exists(key)
