"""A store's profile, its standing and its place on the map (spec 2.3 to 2.5)."""

from datetime import timedelta
from itertools import product
from uuid import uuid4

import pytest

from contracts.identity import StoreChanged, UserChanged
from contracts.values import Address
from identity import queries
from identity.clients.geocoder import StaticGeocoder, ZipGeocoder
from kernel.clock import business_day
from testkit.world import World

from .people import Person, a_store, an_admin, directly, grants


async def test_a_profile_is_changed_field_by_field(world: World) -> None:
    owner = await a_store(world, store_type="vendor", dba_name="Leafy")
    facts = {
        "description": "Sun grown",
        "social": {"website": "https://leaf.example"},
        "delivery_radius_meters": 500_000,
    }
    changed = (await owner.does("PUT", "/api/v1/stores/me", facts)).json()["data"]
    assert {**changed, **facts, "dba_name": "Leafy"} == changed
    emptied = (await owner.does("PATCH", "/api/v1/stores/me", {"dba_name": None})).json()["data"]
    assert (emptied["dba_name"], emptied["description"]) == (None, "Sun grown")
    assert [event.version for event in await world.emitted(StoreChanged)] == [1, 2, 3]
    assert emptied["owner_detail"]["full_name"] == "Sam Reed"
    assert emptied["owner_detail"]["role"] == "owner"


@pytest.mark.parametrize("field", ["address", "lat", "kyc_status", "subscription_active", "owner_user_id", "type"])
async def test_what_an_owner_may_not_change_is_refused_by_name(world: World, field: str) -> None:
    owner = await a_store(world)
    answer = await owner.does("PATCH", "/api/v1/stores/me", {field: "verified"})
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, [field])


async def test_only_vendors_have_a_delivery_radius(world: World) -> None:
    buyer = await a_store(world)
    answer = await buyer.does("PATCH", "/api/v1/stores/me", {"delivery_radius_meters": 0})
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["delivery_radius_meters"])


async def test_strangers_see_verified_and_subscribed_vendors_only(world: World) -> None:
    admin, stranger = await an_admin(world), await a_store(world)
    unknown = await stranger.does("GET", f"/api/v1/stores/{uuid4()}")
    assert unknown.status_code == 404
    for store_type, kyc, subscription in product(("buyer", "vendor"), (None, "verified"), (None, "active")):
        owner = await a_store(world, store_type=store_type)
        await grants(admin, owner.claims.store_id, kyc_override=kyc, subscription_override=subscription)
        path = f"/api/v1/stores/{owner.claims.store_id}"
        seen = await stranger.does("GET", path)
        if (store_type, kyc, subscription) == ("vendor", "verified", "active"):
            assert seen.status_code == 200
            assert {"owner", "owner_detail", "subscription_active", "licenses"}.isdisjoint(seen.json()["data"])
        else:
            assert seen.status_code == 404
            assert seen.json()["error"]["message"] == unknown.json()["error"]["message"]
        assert (await owner.does("GET", path)).status_code == 200, "a member always sees it"


async def test_a_granted_standing_is_effective_told_and_audited(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world, store_type="vendor")
    store = (await grants(admin, owner.claims.store_id)).json()["data"]
    assert (store["kyc_status"], store["subscription_active"]) == ("verified", True)
    told = (await world.emitted(StoreChanged))[-1]
    assert (told.kyc_status, told.subscription_override, told.version) == ("verified", "active", 2)
    async with world.db.reader() as db:
        row = await db.fetchrow(
            "select actor_user_id, payload from audit_logs where action = 'store.standing_override'"
        )
    assert row is not None
    assert row["actor_user_id"] == admin.claims.user_id
    assert row["payload"]["before"]["kyc_override"] is None
    assert (row["payload"]["after"]["kyc_override"], row["payload"]["after"]["reason"]) == (
        "verified",
        "checked by hand",
    )


async def test_standing_is_given_by_admins_to_stores_that_exist_and_are_not_suspended(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    assert (await grants(owner, owner.claims.store_id)).status_code == 403
    assert (await grants(admin, uuid4())).status_code == 404
    for body in ({"reason": ""}, {"kyc_override": "rejected"}, {"until": "soon"}, {"until": "2001-01-01"}):
        assert (await grants(admin, owner.claims.store_id, **body)).status_code == 400
    await directly(world, "update stores set kyc_status = 'suspended' where id = $1", owner.claims.store_id)
    assert (await grants(admin, owner.claims.store_id)).status_code == 409


async def test_an_override_ends_after_its_last_day_even_when_runs_were_missed(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world, store_type="vendor")
    today = business_day(world.clock.now())
    await grants(admin, owner.claims.store_id, until=str(today))
    await world.runs("expire-overrides")
    assert (await owner.state()).kyc_status == "verified"
    world.clock.turn(timedelta(days=3))
    await world.runs("expire-overrides")
    await world.runs("expire-overrides")
    told = (await world.emitted(StoreChanged))[-1]
    assert (told.kyc_status, told.subscription_override, told.version) == ("pending_verification", None, 3)
    copy = await owner.hot_copy()
    assert copy is not None
    assert copy.kyc_status == "pending_verification"


async def test_a_store_without_a_point_gets_one_and_says_so(world: World) -> None:
    owner = await a_store(world)
    await world.runs("geocode-stores")
    told = (await world.emitted(StoreChanged))[-1]
    assert (told.address.lat, told.address.lng, told.version) == (36.15, -95.99, 2)
    async with world.db.reader() as db:
        meters = await db.fetchval(
            "select st_distance(geom, st_setsrid(st_makepoint(-95.99, 36.15), 4326)) from stores where id = $1",
            owner.claims.store_id,
        )
    assert meters == 0


async def test_a_geocoder_that_is_away_is_asked_again_and_stops_nobody(world: World, geocoder: StaticGeocoder) -> None:
    await a_store(world)
    nowhere = {"line1": "1 Main St", "city": "Nowhere", "state": "OK", "postal_code": "00000"}
    await a_store(world, address=nowhere)
    geocoder.away = True
    outcome = await world.runs("geocode-stores")
    assert (outcome.succeeded, outcome.items_failed) == (True, 2)
    geocoder.away = False
    await world.runs("geocode-stores")
    async with world.db.reader() as db:
        rows = await db.fetch("select geocode_status from stores order by geocode_status")
    assert [row["geocode_status"] for row in rows] == ["done", "failed"]


async def test_the_offline_geocoder_knows_zip_codes_and_doubts_a_wrong_state() -> None:
    tulsa = Address(line1="1 Main St", city="Tulsa", state="OK", postal_code="74103-1234")
    point = await ZipGeocoder().locate(tulsa)
    assert point is not None
    assert (round(point.lat), round(point.lng)) == (36, -96)
    assert await ZipGeocoder().locate(tulsa.model_copy(update={"state": "TX"})) is None
    assert await ZipGeocoder().locate(tulsa.model_copy(update={"postal_code": "00000"})) is None


async def test_snapshots_read_again_say_what_was_said_last(world: World) -> None:
    owners = [await a_store(world, store_type="vendor") for _ in range(3)]
    await owners[1].does("PATCH", "/api/v1/stores/me", {"dba_name": "Changed"})
    async with world.db.reader() as db:
        stores = [*(await queries.store_snapshots(db, limit=2))]
        stores += await queries.store_snapshots(db, after=stores[-1].store_id, limit=2)
        users = await queries.user_snapshots(db)
        (one,) = await queries.store_snapshots(db, only=stores[1].store_id)
    last_said = {event.store_id: event for event in await world.emitted(StoreChanged)}
    assert {store.store_id: store for store in stores} == last_said
    assert one == stores[1]
    assert {user.user_id: user for user in users} == {
        event.user_id: event for event in await world.emitted(UserChanged)
    }


async def test_a_stranger_who_is_no_member_cannot_read_a_store_as_their_own(world: World) -> None:
    nobody = Person(world)
    admin = await an_admin(world)
    assert (await admin.does("GET", "/api/v1/stores/me")).status_code == 403
    assert (await nobody.says("GET", "/api/v1/stores/my")).status_code == 401
