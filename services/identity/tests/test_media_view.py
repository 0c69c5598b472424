"""What identity keeps of media, what it says of its own use, and whom it asks (spec 1.9, 12.4)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from chassis.auth import SigningKey
from chassis.calls import Calls, OnBehalf
from contracts.identity import IdentityMediaDetached
from contracts.media import MediaReferences, ReadUrl, ReadUrls
from identity.clients.media import FakeMedia, HttpMedia, MediaClient
from identity.manifest import SERVICE
from kernel.refusal import Unavailable
from testkit.recording import Told, numbered, shuffled
from testkit.reliability import Reliability
from testkit.servers import TestServers
from testkit.world import World

from .conftest import CHEAP
from .papers import a_medium, becomes, medium_of, submits
from .people import a_store


async def references(world: World, media_id: UUID) -> MediaReferences:
    answer = await world.service_caller("media").get(f"/internal/v1/media-references/{media_id}")
    assert answer.status_code == 200, answer.text
    return MediaReferences.model_validate(answer.json()["data"])


async def test_media_is_told_which_licences_hold_a_scan_and_nobody_else_is(world: World) -> None:
    owner = await a_store(world)
    scan, logo = await a_medium(owner), await a_medium(owner, "store")
    await owner.does("PATCH", "/api/v1/stores/me", {"logo_media_id": str(logo.media_id)})
    held = [(await submits(owner, scan)).json()["data"] for _ in range(2)]

    told = await references(world, scan.media_id)

    assert [(str(one.attachment_id), str(one.entity_id)) for one in told.references] == [
        (licence["attachment_id"], licence["id"]) for licence in held
    ]
    assert {one.entity_type for one in told.references} == {"license"}
    assert (await references(world, logo.media_id)).references == [], "a logo protects nothing"
    for service in ("catalog", "gateway"):
        answer = await world.service_caller(service).get(f"/internal/v1/media-references/{scan.media_id}")
        assert answer.status_code == 403


@pytest.mark.plant("a none that is true for a moment")
async def test_after_a_none_nobody_uses_the_medium_on_an_old_word(world: World, media: FakeMedia) -> None:
    """Media asks before it deletes, and identity has heard nothing of it yet, as when the broker is away."""
    owner = await a_store(world)
    scan = await a_medium(owner)
    assert (await references(world, scan.media_id)).references == []
    media.media[scan.media_id] = scan.model_copy(update={"status": "delete_requested", "version": 3})

    refused = await submits(owner, scan)

    assert (refused.status_code, refused.json()["error"]["reason"]) == (409, "media_not_uploaded")
    assert media.asked == [scan.media_id]
    await becomes(world, scan.model_copy(update={"version": 3}), "uploaded")
    assert (await submits(owner, scan)).status_code == 201, "media has put it back"


@pytest.mark.parametrize("arrives_first", ["the licence", "the question"])
async def test_a_licence_and_the_question_at_once_do_not_miss_each_other(
    world: World, media: FakeMedia, arrives_first: str
) -> None:
    owner = await a_store(world)
    scan = await a_medium(owner)
    media.media[scan.media_id] = scan.model_copy(update={"status": "delete_requested", "version": 3})
    await world.warm_up()
    deeds: list[Callable[[], Any]] = [lambda: submits(owner, scan), lambda: references(world, scan.media_id)]
    if arrives_first == "the question":
        deeds.reverse()

    async with world.collision("select from media for update", waiting=2) as arrived:
        tasks = [asyncio.create_task(deeds[0]())]
        await arrived(1)
        tasks.append(asyncio.create_task(deeds[1]()))
    done = await asyncio.gather(*tasks)

    submitted, told = done if arrives_first == "the licence" else reversed(done)
    assert (submitted.status_code, len(told.references)) in {(201, 1), (409, 0)}


async def test_projection_ignores_older_version(world: World, media: FakeMedia) -> None:
    owner = await a_store(world)
    scan = await a_medium(owner)
    newer = scan.model_copy(update={"status": "delete_requested", "version": 9})
    await world.hears(newer)
    media.media[scan.media_id] = scan
    assert (await submits(owner, scan)).status_code == 409, "neither an older event nor an older answer counts"
    await world.hears(scan.model_copy(update={"version": 1}), epoch=2, baseline=True)
    assert (await submits(owner, scan)).status_code == 201, "media was restored, and counts anew"


STATE = {
    "media": "select to_jsonb(m) - 'updated_at' as medium from media m order by media_id",
    "streams": "select aggregate_type, aggregate_id, last_seq, blocked from inbox_stream order by 1, 2",
}


def story(ids: list[UUID], store_id: UUID) -> list[Told]:
    """Media come, are asked to go, come back or are gone."""
    streams = []
    for media_id in ids:
        first = medium_of(store_id, "store", "pending").model_copy(update={"media_id": media_id, "gcs_key": "k"})
        statuses = ["pending", "uploaded", "delete_requested", "deleted" if media_id.int % 2 else "uploaded"]
        streams.append(
            [
                first.model_copy(update={"status": status, "version": version, "deleted": status == "deleted"})
                for version, status in enumerate(statuses, start=1)
            ]
        )
    by_turns = [event for turn in zip(*streams, strict=True) for event in turn]
    assert {type(event) for event in by_turns} == set(SERVICE.consumes), "a new fact belongs into the story"
    return numbered(by_turns)


async def state_after(servers: TestServers, told: list[Told]) -> dict[str, list[dict[str, Any]]]:
    async with World.open(SERVICE, servers, settings=CHEAP) as world:
        for one in told:
            await world.hears(one.event, seq=one.seq)
        await world.settle(twice=True)
        async with world.db.reader() as db:
            return {name: [dict(row) for row in await db.fetch(query)] for name, query in STATE.items()}


async def test_each_event_twice_and_reordered_gives_same_state(servers: TestServers, reliability: Reliability) -> None:
    told = story([uuid4() for _ in range(6)], uuid4())
    in_order = await state_after(servers, told)
    assert await state_after(servers, shuffled(told, reliability.chance)) == in_order


async def test_a_logo_heard_of_in_disorder_comes_down_once(world: World) -> None:
    owner = await a_store(world)
    logo = await a_medium(owner, "store")
    await owner.does("PATCH", "/api/v1/stores/me", {"logo_media_id": str(logo.media_id)})
    gone = logo.model_copy(update={"status": "deleted", "version": 4, "deleted": True})
    await world.hears(gone, seq=3)
    await world.hears(logo.model_copy(update={"status": "delete_requested", "version": 3}), seq=2)
    await world.hears(gone, seq=3)
    store = (await owner.does("GET", "/api/v1/stores/me")).json()["data"]
    assert store["logo_media_id"] is None
    assert len(await world.emitted(IdentityMediaDetached)) == 1


SCAN = medium_of(uuid4())
PENDING = medium_of(uuid4(), status="pending")


@dataclass
class Other:
    """Media as a server that keeps the routes of spec 1.10 shows it."""

    away: bool = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/internal/v1/media/{id}", self.medium)
        app.router.add_post("/internal/v1/media/read-urls", self.read_urls)
        return app

    async def medium(self, request: web.Request) -> web.Response:
        known = {str(one.media_id): one.model_dump(mode="json") for one in (SCAN, PENDING)}
        found = known.get(request.match_info["id"])
        return self._answer({**found, "added_later": 1} if found else None)

    async def read_urls(self, request: web.Request) -> web.Response:
        asked = (await request.json())["media_ids"]
        link = f"https://storage.example/{SCAN.gcs_key}?signed"
        urls = [ReadUrl(media_id=one, url=link if one == str(SCAN.media_id) else None) for one in asked]
        return self._answer(ReadUrls(urls=urls).model_dump(mode="json"))

    def _answer(self, data: Any) -> web.Response:
        if self.away:
            return _failure("DEPENDENCY_ERROR", 503)
        return web.json_response({"data": data}) if data is not None else _failure("NOT_FOUND", 404)


def _failure(code: str, status: int) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "x", "request_id": "r"}}, status=status)


@pytest.fixture(params=["fake", "http"])
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[tuple[MediaClient, Any]]:
    """A client, and who can be sent away."""
    if request.param == "fake":
        fake = FakeMedia()
        fake.media = {one.media_id: one for one in (SCAN, PENDING)}
        yield fake, fake
        return
    other = Other()
    runner = web.AppRunner(other.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    calls = Calls("identity", SigningKey.generate())
    yield HttpMedia(calls.to("media", f"http://127.0.0.1:{runner.addresses[0][1]}")), other
    await calls.close()
    await runner.cleanup()


async def test_media_tells_what_there_is_and_links_to_what_can_be_read(twin: tuple[MediaClient, Any]) -> None:
    client, _ = twin
    assert await client.medium(SCAN.media_id, OnBehalf()) == SCAN
    assert await client.medium(uuid4(), OnBehalf()) is None
    links = await client.read_urls([SCAN.media_id, PENDING.media_id, uuid4()], OnBehalf())
    assert links == {SCAN.media_id: f"https://storage.example/{SCAN.gcs_key}?signed"}
    assert await client.read_urls([], OnBehalf()) == {}


async def test_media_away_is_unavailable_for_an_answer_and_no_links_for_a_list(twin: tuple[MediaClient, Any]) -> None:
    client, media = twin
    media.away = True
    with pytest.raises(Unavailable):
        await client.medium(SCAN.media_id, OnBehalf())
    assert await client.read_urls([SCAN.media_id], OnBehalf()) == {}
