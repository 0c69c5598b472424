"""The house judges licences, and the standing of stores follows (spec 2.4, 12.2)."""

import asyncio
from itertools import permutations

import pytest

from contracts.identity import LicenseStatusChanged, StoreChanged
from identity.clients.media import FakeMedia
from testkit.world import World

from .papers import a_licence, a_verified_licence, audited, decides, kyc, licences, statuses_told
from .people import Person, a_store, an_admin, directly, grants


async def test_a_verified_licence_verifies_its_store_for_everybody_at_once(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world, store_type="vendor")
    elsewhere = Person(world, owner.email)
    await elsewhere.logs_in()
    licence = await a_licence(owner)

    answer = await decides(admin, licence, "verified")

    reviewed = answer.json()["data"]
    assert (answer.status_code, reviewed["status"]) == (200, "verified")
    assert reviewed["reviewed_by_user_id"] == str(admin.claims.user_id)
    assert [await kyc(person) for person in (owner, elsewhere)] == ["verified", "verified"]
    store = (await world.emitted(StoreChanged))[-1]
    assert (store.kyc_status, store.version) == ("verified", 2)
    told = (await world.emitted(LicenseStatusChanged))[-1]
    assert (told.status, told.previous_status, told.kyc_status) == ("verified", "pending", "verified")
    assert await audited(world) == ["license.upload", "license.verify"]
    snapshot = await world.service_caller("catalog").get(f"/internal/v1/stores/{owner.claims.store_id}")
    assert snapshot.json()["data"]["kyc_status"] == "verified", "who asks the owner hears the same"


async def test_a_rejection_needs_a_reason_and_tells_it(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await a_licence(owner)
    for reason in (None, " "):
        refused = await decides(admin, licence, "rejected", reason)
        assert (refused.status_code, refused.json()["error"]["details"]) == (400, {"reason": "is required"})
    await decides(admin, licence, "rejected", "the number is not on it")
    assert (await licences(owner))[0]["reject_reason"] == "the number is not on it"
    assert (await world.emitted(LicenseStatusChanged))[-1].reason == "the number is not on it"
    assert (await audited(world))[-1] == "license.reject"
    assert await kyc(owner) == "rejected"


async def test_any_verified_licence_outweighs_all_others_then_pending_then_rejected(world: World) -> None:
    admin = await an_admin(world)
    for decisions in permutations(("verified", "rejected", None)):
        owner = await a_store(world)
        handed_in = [(await a_licence(owner), decision) for decision in decisions]
        expected = {"pending_verification"}
        for licence, decision in handed_in:
            if decision:
                await decides(admin, licence, decision, "why")
            expected = {"verified"} if decision == "verified" else expected
            assert await kyc(owner) in expected


async def test_a_new_licence_takes_a_rejected_store_back_into_the_queue(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    await decides(admin, await a_licence(owner), "rejected", "unreadable")
    await a_licence(owner)
    assert await kyc(owner) == "pending_verification"


@pytest.mark.plant("a review of what was looked at before its lock")
async def test_two_reviewers_one_decision(world: World) -> None:
    admins, owner = [await an_admin(world), await an_admin(world)], await a_store(world)
    licence = await a_licence(owner)
    await world.warm_up()

    async with world.collision("select from licenses for update", waiting=2):
        reviews = [
            asyncio.create_task(decides(admin, licence, decision, "why"))
            for admin, decision in zip(admins, ("verified", "rejected"), strict=True)
        ]
    answers = [await review for review in reviews]

    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    decided = (await licences(owner))[0]["status"]
    assert (loser.json()["error"]["reason"], loser.json()["error"]["details"]) == ("not_pending", {"status": decided})
    assert await statuses_told(world) == [(None, "pending"), ("pending", decided)]
    assert len(await world.emitted(StoreChanged)) == 2


async def test_a_licence_past_its_last_day_is_rejected_but_never_verified(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await a_licence(owner, expiration_date="2026-01-31")
    refused = await decides(admin, licence, "verified")
    error = refused.json()["error"]
    assert (refused.status_code, error["reason"]) == (422, "licence_expired")
    assert error["details"] == {"expiration_date": "2026-01-31"}
    assert (await decides(admin, licence, "rejected", "expired")).status_code == 200


@pytest.mark.plant("licences that lift a suspension")
async def test_suspended_is_never_overwritten(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world, store_type="vendor")
    path = f"/api/v1/admin/stores/{owner.claims.store_id}"
    rejected, verified = await a_licence(owner), await a_licence(owner)
    await admin.does("POST", f"{path}/suspend", {"reason": "an inspection"})
    said = len(await world.emitted(StoreChanged))

    await decides(admin, verified, "verified")
    await decides(admin, rejected, "rejected", "unreadable")
    await a_licence(owner)
    await owner.does("DELETE", f"/api/v1/licenses/{rejected['id']}")

    assert await kyc(owner) == "suspended"
    assert len(await world.emitted(StoreChanged)) == said
    assert {event.kyc_status for event in (await world.emitted(LicenseStatusChanged))[2:]} == {"suspended"}
    reinstated = await admin.does("POST", f"{path}/reinstate", {"reason": "nothing was found"})
    assert reinstated.json()["data"]["kyc_status"] == "verified", "its licences decide again"
    assert await kyc(owner) == "verified"


async def test_an_override_covers_what_the_licences_say_until_it_ends(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    await grants(admin, owner.claims.store_id)
    await decides(admin, await a_licence(owner), "rejected", "unreadable")
    assert await kyc(owner) == "verified"
    await grants(admin, owner.claims.store_id, kyc_override=None, subscription_override=None)
    assert await kyc(owner) == "rejected"


async def test_the_end_of_a_store_does_not_stand_in_the_way_of_a_review(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await a_licence(owner)
    await directly(world, "update stores set deleted_at = clock_now() where id = $1", owner.claims.store_id)
    assert (await decides(admin, licence, "verified")).status_code == 200
    assert (await world.emitted(StoreChanged))[-1].deleted


async def test_the_queue_holds_every_stores_waiting_licences_oldest_first(world: World, media: FakeMedia) -> None:
    admin, owners = await an_admin(world), [await a_store(world), await a_store(world)]
    waiting = [await a_licence(owner) for owner in (*owners, *owners)]
    await decides(admin, waiting.pop(1), "verified")

    queue = await licences(admin, "/api/v1/admin/licenses")

    assert [licence["id"] for licence in queue] == [licence["id"] for licence in waiting]
    verified = await licences(admin, "/api/v1/admin/licenses?status=verified")
    assert [licence["store_id"] for licence in verified] == [str(owners[1].claims.store_id)]
    media.away = True
    assert {licence["signed_url"] for licence in await licences(admin, "/api/v1/admin/licenses")} == {None}
    assert (await admin.does("GET", "/api/v1/admin/licenses?status=lost")).status_code == 400


async def test_nobody_reviews_what_is_not_there(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await a_verified_licence(admin, owner)
    gone = {"id": "00000000-0000-7000-8000-000000000000"}
    assert (await decides(admin, gone, "verified")).status_code == 404
    assert (await decides(admin, {"id": "me"}, "verified")).status_code == 400
    assert (await decides(admin, licence, "expired")).status_code == 400


async def test_decisions_on_two_licences_of_a_store_at_once_count_both(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    good, bad = await a_licence(owner), await a_licence(owner)
    await world.warm_up()

    async with world.collision("select from stores for update", waiting=2):
        reviews = [
            asyncio.create_task(decides(admin, licence, decision, "why"))
            for licence, decision in ((good, "verified"), (bad, "rejected"))
        ]
    answers = [await review for review in reviews]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert await kyc(owner) == "verified"
    assert (await world.emitted(LicenseStatusChanged))[-1].kyc_status == "verified"
    assert [event.kyc_status for event in await world.emitted(StoreChanged)] == ["pending_verification", "verified"]
