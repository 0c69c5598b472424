"""Handing licences in and taking them back (spec 2.3, 2.4)."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from contracts.identity import IdentityMediaAttached, IdentityMediaDetached, LicenseStatusChanged, StoreChanged
from identity.clients.media import FakeMedia
from kernel.scope import Actor
from testkit.world import World

from .papers import (
    a_licence,
    a_medium,
    a_verified_licence,
    audited,
    becomes,
    decides,
    kyc,
    licences,
    medium_of,
    submits,
)
from .people import Person, a_colleague, a_store, an_admin


async def test_a_licence_waits_for_its_review_and_holds_its_scan(world: World) -> None:
    owner = await a_store(world, store_type="vendor")
    scan = await a_medium(owner)

    answer = await submits(owner, scan, number=" GAAA-77 ", issuing_state="ok", expiration_date="2001-01-01")

    licence = answer.json()["data"]
    assert (answer.status_code, licence["status"]) == (201, "pending")
    assert (licence["number"], licence["issuing_state"], licence["expiration_date"]) == ("GAAA-77", "OK", "2001-01-01")
    (attached,) = await world.emitted(IdentityMediaAttached)
    assert str(attached.attachment_id) == licence["attachment_id"]
    assert (attached.entity_type, str(attached.entity_id)) == ("license", licence["id"])
    assert (attached.media_id, attached.store_id, attached.gcs_key) == (scan.media_id, scan.store_id, scan.gcs_key)
    (told,) = await world.emitted(LicenseStatusChanged)
    assert (told.status, told.previous_status, told.kyc_status) == ("pending", None, "pending_verification")
    assert await audited(world) == ["license.upload"]
    store = (await owner.does("GET", "/api/v1/stores/me")).json()["data"]
    assert store["licenses"] == [{"number": "GAAA-77", "type": "grower"}]
    assert len(await world.emitted(StoreChanged)) == 1, "nothing about the store has changed"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2030-03-01", "2030-03-01"),
        ("2030-03-01T23:59:59-11:00", "2030-03-01"),
        ("2030-03-01T00:00:00.000Z", "2030-03-01"),
        (None, None),
    ],
)
async def test_a_date_is_the_date_part_as_written(world: World, written: str | None, meant: str | None) -> None:
    owner = await a_store(world)
    licence = await a_licence(owner, issue_date=written, expiration_date=written)
    assert (licence["issue_date"], licence["expiration_date"]) == (meant, meant)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expiration_date", "2030-02-30"),
        ("expiration_date", "2030-03-01T25:00:00Z"),
        ("expiration_date", "01/03/2030"),
        ("issue_date", 1_900_000_000),
        ("issue_date", "٢٠٣٠-03-01"),
        ("issuing_state", "OKL"),
        ("type", "Grower"),
        ("number", " "),
        ("number", "9" * 101),
        ("media_id", "1"),
        ("status", "verified"),
        ("store_id", "01a37dd6-0000-7000-8000-000000000001"),
        ("reviewed_by_user_id", "01a37dd6-0000-7000-8000-000000000002"),
    ],
)
async def test_hostile_or_foreign_input_is_refused_by_name(world: World, field: str, value: Any) -> None:
    owner = await a_store(world)
    answer = await submits(owner, await a_medium(owner), **{field: value})
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, [field])
    assert await world.emitted(IdentityMediaAttached) == []


async def test_media_that_cannot_be_a_scan_are_refused_each_in_its_way(world: World, media: FakeMedia) -> None:
    owner, stranger = await a_store(world), await a_store(world)
    wrong_kind, wrong_type = await a_medium(owner, "product"), medium_of(owner.claims.store_id, mime_type="video/mp4")
    media.media[wrong_type.media_id] = wrong_type
    cases = [
        (wrong_kind, 400, None),
        (wrong_type, 400, None),
        (await a_medium(stranger), 404, None),
        (medium_of(owner.claims.store_id), 404, None),
        (await a_medium(owner, status="pending"), 409, "media_not_uploaded"),
        (await a_medium(owner, status="delete_requested"), 409, "media_not_uploaded"),
        (await becomes(world, await a_medium(owner), "deleted", deleted=True), 404, None),
    ]
    for medium, status, reason in cases:
        answer = await submits(owner, medium)
        assert (answer.status_code, answer.json()["error"].get("reason")) == (status, reason), medium
    assert await licences(owner) == []


async def test_another_stores_scan_looks_like_one_that_never_was(world: World, media: FakeMedia) -> None:
    owner, stranger = await a_store(world), await a_store(world)
    theirs = await a_medium(stranger)
    media.media[theirs.media_id] = theirs
    answers = [(await submits(owner, medium)).json()["error"] for medium in (theirs, uuid4())]
    assert [{**error, "request_id": None} for error in answers] == [{**answers[0], "request_id": None}] * 2


async def test_media_is_asked_before_a_scan_is_refused_and_its_answer_decides(world: World, media: FakeMedia) -> None:
    owner = await a_store(world)
    unheard, late = medium_of(owner.claims.store_id), await a_medium(owner, status="pending")
    media.media = {unheard.media_id: unheard, late.media_id: late.model_copy(update={"status": "ready", "version": 3})}

    answers = [(await submits(owner, medium)).status_code for medium in (unheard, late, unheard)]

    assert answers == [201, 201, 201]
    assert media.asked == [unheard.media_id, late.media_id], "what is known to be there is not asked about"


async def test_without_media_only_what_would_be_refused_has_to_wait(world: World, media: FakeMedia) -> None:
    owner = await a_store(world)
    known = await a_medium(owner)
    media.away = True
    assert (await submits(owner, known)).status_code == 201
    answer = await submits(owner, uuid4(), key="again")
    assert (answer.status_code, answer.json()["error"]["details"]) == (503, {"service": "media"})
    media.away = False
    assert (await submits(owner, uuid4(), key="again")).status_code == 404


async def test_a_number_is_taken_once_in_a_state_however_it_is_written(world: World) -> None:
    owner, rival = await a_store(world), await a_store(world)
    await a_licence(owner, number="Gaaa-1 2")
    for number in ("Gaaa-1 2", "GAAA-12", "\uff27AAA-12"):
        taken = await submits(rival, await a_medium(rival), number=number)
        assert (taken.status_code, taken.json()["error"]["details"]) == (409, {"field": "number"})
    assert (await submits(rival, await a_medium(rival), number="GAAA-12", issuing_state="TX")).status_code == 201


async def test_of_two_stores_that_claim_a_number_at_once_one_gets_it(world: World) -> None:
    rivals = [await a_store(world), await a_store(world)]
    scans = [await a_medium(rival) for rival in rivals]
    await world.warm_up()

    async with world.collision("select from stores for update", waiting=2):
        claims = [
            asyncio.create_task(submits(rival, scan, number="GAAA-RIVAL"))
            for rival, scan in zip(rivals, scans, strict=True)
        ]
    answers = [await claim for claim in claims]

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(await world.emitted(IdentityMediaAttached)) == 1, "who is refused holds nothing"


async def test_one_scan_may_back_several_licences(world: World) -> None:
    owner = await a_store(world)
    scan = await a_medium(owner)
    for _ in range(2):
        assert (await submits(owner, scan)).status_code == 201
    attached = await world.emitted(IdentityMediaAttached)
    assert len({event.attachment_id for event in attached}) == 2


async def test_a_repeated_request_makes_one_licence(world: World) -> None:
    owner = await a_store(world)
    scan = await a_medium(owner)
    answers = [await submits(owner, scan, key="once", number="GAAA-ONE") for _ in range(2)]
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert answers[0].json() == answers[1].json()
    assert len(await licences(owner)) == 1


async def test_who_may_submit_read_and_delete(world: World) -> None:
    owner, admin = await a_store(world), await an_admin(world)
    may = {"manager": (201, 200, 409), "ops": (201, 200, 403), "staff": (201, 200, 403), "viewer": (403, 200, 403)}
    licence = await a_licence(owner)
    for role, expected in may.items():
        person = await a_colleague(owner, role)
        submitted = await submits(person, await a_medium(owner))
        listed = await person.does("GET", "/api/v1/licenses")
        deleted = await person.does("DELETE", f"/api/v1/licenses/{licence['id']}")
        assert (submitted.status_code, listed.status_code, deleted.status_code) == expected, role
    assert (await admin.does("GET", "/api/v1/licenses")).status_code == 403
    assert (await owner.does("GET", "/api/v1/admin/licenses")).status_code == 403
    assert (await decides(owner, licence, "verified")).status_code == 403


async def test_a_stores_list_is_its_own_newest_first_with_links_to_the_scans(world: World, media: FakeMedia) -> None:
    owner, stranger = await a_store(world), await a_store(world)
    scan = await a_medium(owner)
    media.media[scan.media_id] = scan
    await submits(owner, scan, number="FIRST")
    await a_licence(owner, number="SECOND")
    await a_licence(stranger)

    listed = await licences(owner)

    assert [licence["number"] for licence in listed] == ["SECOND", "FIRST"]
    assert [licence["signed_url"] for licence in listed] == [None, f"https://storage.example/{scan.gcs_key}?signed"]
    media.away = True
    assert [licence["signed_url"] for licence in await licences(owner)] == [None, None]


async def test_paging_57_rows_by_10_same_timestamp_no_loss_no_repeat_while_inserting(world: World) -> None:
    owner, admin = await a_store(world), await an_admin(world)
    scan = await a_medium(owner)
    for number in range(57):
        assert (await submits(owner, scan, number=f"PAGE-{number}")).status_code == 201
    async with world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update licenses set created_at = '2026-01-01T00:00:00Z'")
    for person, path in ((owner, "/api/v1/licenses?"), (admin, "/api/v1/admin/licenses?")):
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = (await person.does("GET", f"{path}limit=10&with_total=true&cursor={cursor}")).json()["data"]
            seen += [licence["number"] for licence in answer["items"] if licence["number"].startswith("PAGE-")]
            cursor = answer["pagination"]["next"]
            await submits(owner, scan)
        assert len(seen) == len(set(seen)) == 57
    foreign = await owner.does("GET", "/api/v1/licenses?status=verified&cursor=abc")
    assert (foreign.status_code, list(foreign.json()["error"]["details"])) == (400, ["cursor"])


async def test_only_a_rejected_or_expired_licence_goes_and_takes_its_scan_along(world: World) -> None:
    owner, admin, stranger = await a_store(world), await an_admin(world), await a_store(world)
    pending, verified, rejected = await a_licence(owner), await a_verified_licence(admin, owner), await a_licence(owner)
    await decides(admin, rejected, "rejected", "unreadable")

    async def deletes(person: Person, licence: dict[str, Any]) -> tuple[int, str | None]:
        answer = await person.does("DELETE", f"/api/v1/licenses/{licence['id']}")
        return answer.status_code, answer.json().get("error", {}).get("reason")

    assert [await deletes(owner, one) for one in (pending, verified)] == [(409, "licence_in_force")] * 2
    assert await deletes(stranger, rejected) == (404, None)
    assert await deletes(owner, rejected) == (200, None)
    assert await deletes(owner, rejected) == (404, None)
    (detached,) = await world.emitted(IdentityMediaDetached)
    assert (str(detached.attachment_id), detached.purge) == (rejected["attachment_id"], True)
    assert (await audited(world))[-1] == "license.purge"


async def test_without_its_rejected_licence_a_store_waits_again(world: World) -> None:
    owner, admin = await a_store(world), await an_admin(world)
    licence = await a_licence(owner)
    await decides(admin, licence, "rejected", "unreadable")
    assert await kyc(owner) == "rejected"
    await owner.does("DELETE", f"/api/v1/licenses/{licence['id']}")
    assert await kyc(owner) == "pending_verification"
    assert [event.kyc_status for event in await world.emitted(StoreChanged)][-2:] == [
        "rejected",
        "pending_verification",
    ]
