"""A store's logo and banner (spec 2.3, 2.6, 12.3)."""

import pytest

from contracts.identity import IdentityMediaAttached, IdentityMediaDetached, StoreChanged
from contracts.media import MediaChanged
from identity.clients.media import FakeMedia
from testkit.world import World

from .papers import a_medium, becomes, medium_of
from .people import Person, a_store

FIELDS = ("logo_media_id", "banner_media_id")


async def hangs(owner: Person, **pictures: MediaChanged | None) -> int:
    body = {field: str(medium.media_id) if medium else None for field, medium in pictures.items()}
    return (await owner.does("PATCH", "/api/v1/stores/me", body)).status_code


async def test_a_logo_and_a_banner_are_held_and_shown(world: World) -> None:
    owner = await a_store(world)
    logo = await becomes(world, await a_medium(owner, "store"), "ready", public_url="https://cdn.example/logo.png")
    banner = await a_medium(owner, "store")

    assert await hangs(owner, logo_media_id=logo, banner_media_id=banner) == 200

    store = (await owner.does("GET", "/api/v1/stores/me")).json()["data"]
    assert [store[field] for field in FIELDS] == [str(logo.media_id), str(banner.media_id)]
    assert (store["logo_url"], store["banner_url"]) == ("https://cdn.example/logo.png", None)
    told = (await world.emitted(StoreChanged))[-1]
    assert (told.logo_media_id, told.logo_gcs_key, told.logo_url) == (logo.media_id, logo.gcs_key, logo.public_url)
    attached = await world.emitted(IdentityMediaAttached)
    assert {event.media_id: event.entity_type for event in attached} == {
        logo.media_id: "store_logo",
        banner.media_id: "store_banner",
    }
    assert {(event.entity_id, event.store_id) for event in attached} == {(owner.claims.store_id,) * 2}


@pytest.mark.parametrize("field", FIELDS)
async def test_a_change_is_one_detach_and_one_attach_and_the_same_picture_is_none(world: World, field: str) -> None:
    owner = await a_store(world)
    first, second = await a_medium(owner, "store"), await a_medium(owner, "store")
    for picture in (first, first, second, None, None):
        assert await hangs(owner, **{field: picture}) == 200
    attached, detached = await world.emitted(IdentityMediaAttached), await world.emitted(IdentityMediaDetached)
    assert [event.media_id for event in attached] == [first.media_id, second.media_id]
    assert [event.attachment_id for event in detached] == [event.attachment_id for event in attached]
    assert not any(event.purge for event in detached)


@pytest.mark.parametrize("field", FIELDS)
async def test_what_cannot_be_a_picture_is_refused_by_name(world: World, field: str) -> None:
    owner, stranger = await a_store(world), await a_store(world)
    cases = [
        (await a_medium(owner, "license_doc"), 400),
        (await a_medium(stranger, "store"), 404),
        (medium_of(owner.claims.store_id, "store"), 404),
        (await a_medium(owner, "store", "pending"), 409),
        (await a_medium(owner, "store", "delete_requested"), 409),
    ]
    for medium, status in cases:
        answer = await owner.does("PATCH", "/api/v1/stores/me", {field: str(medium.media_id), "dba_name": "Leafy"})
        details = answer.json()["error"].get("details", {})
        assert (answer.status_code, field in {*details, *details.values()}) == (status, status != 404)
    assert (await world.emitted(StoreChanged))[-1].dba_name is None, "all of it, or nothing"
    assert await world.emitted(IdentityMediaAttached) == []


async def test_a_picture_that_has_just_arrived_is_asked_about(world: World, media: FakeMedia) -> None:
    owner = await a_store(world)
    logo = medium_of(owner.claims.store_id, "store")
    media.media[logo.media_id] = logo
    assert await hangs(owner, logo_media_id=logo) == 200
    media.away = True
    assert await hangs(owner, banner_media_id=logo) == 200
    assert await hangs(owner, banner_media_id=medium_of(owner.claims.store_id, "store")) == 503


async def test_a_deleted_picture_comes_down_by_itself(world: World) -> None:
    owner = await a_store(world)
    gone, stays = await a_medium(owner, "store"), await a_medium(owner, "store")
    await hangs(owner, logo_media_id=gone, banner_media_id=stays)
    said = len(await world.emitted(StoreChanged))

    requested = await becomes(world, gone, "delete_requested")
    assert len(await world.emitted(StoreChanged)) == said, "it may still come back"
    await becomes(world, requested, "deleted", deleted=True)

    store = (await owner.does("GET", "/api/v1/stores/me")).json()["data"]
    assert (store["logo_media_id"], store["banner_media_id"]) == (None, str(stays.media_id))
    told = (await world.emitted(StoreChanged))[said:]
    assert [(event.logo_media_id, event.logo_gcs_key) for event in told] == [(None, None)]
    assert [event.media_id for event in await world.emitted(IdentityMediaDetached)] == [gone.media_id]


async def test_one_medium_may_be_both_pictures_and_takes_both_down(world: World) -> None:
    owner = await a_store(world)
    both = await a_medium(owner, "store")
    await hangs(owner, logo_media_id=both, banner_media_id=both)
    await becomes(world, both, "deleted", deleted=True)
    store = (await owner.does("GET", "/api/v1/stores/me")).json()["data"]
    assert [store[field] for field in FIELDS] == [None, None]
    assert len(await world.emitted(IdentityMediaDetached)) == 2
