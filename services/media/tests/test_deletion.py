"""A file goes, unless somebody needs it (spec 3.2, 12.4; F-C13)."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from chassis.failpoints import arm
from contracts.event import Event
from contracts.media import EntityType, MediaChanged, MediaReference
from kernel.refusal import Unavailable
from kernel.scope import Actor, Role
from media import jobs
from media.clients.storage import FakeStorage
from media.domain.media import Kind, Mime
from media.usecases.deletion import ATTEMPTS_MAX
from testkit.callers import Caller

from .conftest import House, Medium, end_of, use_of
from .samples import png

UNPROTECTED: list[EntityType] = ["product_gallery", "product_coa", "store_logo", "store_banner"]
PROTECTED: list[EntityType] = ["license", "ad"]

AUDITED = "select array_agg(action order by seq) from audit_logs where target_id = $1"


async def uses(house: House, medium: Medium) -> list[bool]:
    """Of each use of a medium, the first first: whether it goes on."""
    async with house.world.db.reader() as db:
        rows = await db.fetch(
            "select detached_at is null as live from media_attachments where media_id = $1 order by created_at, id",
            medium.media_id,
        )
    return [row["live"] for row in rows]


async def statuses(house: House) -> list[str]:
    return [one.status for one in await house.world.emitted(MediaChanged)]


async def test_delete_takes_the_object_after_its_grace(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)

    answers = [(await member.delete(medium.path)).status_code for _ in range(2)]
    await house.world.runs("finalise-deletes")
    early = await house.status(medium)
    await house.grace_passes()

    assert answers == [204, 204]
    assert (early, await house.status(medium)) == ("delete_requested", "deleted")
    assert (house.storage.private, house.storage.public) == ({}, {})
    state = await house.state(medium)
    assert (state["deleted"], state["public_url"]) == (True, None)
    assert (await member.delete(medium.path)).status_code == 404
    assert await statuses(house) == ["pending", "uploaded", "delete_requested", "deleted"]
    async with house.world.db.reader() as db:
        assert await db.fetchval(AUDITED, medium.media_id) == ["media.presign", "media.delete"]


async def test_viewer_cannot_delete(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)

    answer = await house.member(Role.VIEWER, member.store_id).delete(medium.path)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, "role_missing")
    assert await house.status(medium) == "uploaded"


@pytest.mark.parametrize("entity", PROTECTED)
async def test_protected_media_cannot_be_deleted(house: House, member: Caller, entity: EntityType) -> None:
    medium = await house.uploaded(member, Kind.OTHER, Mime.PDF)
    use = await house.attached(medium, entity)

    held = await member.delete(medium.path)
    await house.is_over(use)
    free = await member.delete(medium.path)

    assert (held.status_code, held.json()["error"]["reason"]) == (409, "protected")
    assert free.status_code == 204


@pytest.mark.parametrize("entity", UNPROTECTED)
async def test_what_only_decorates_does_not_hold_a_file(house: House, member: Caller, entity: EntityType) -> None:
    medium = await house.uploaded(member)
    await house.attached(medium, entity)

    assert (await member.delete(medium.path)).status_code == 204
    await house.grace_passes()

    assert await house.status(medium) == "deleted"
    assert await uses(house, medium) == [False]


async def test_attach_during_grace_cancels_delete(house: House, member: Caller) -> None:
    medium = await house.uploaded(member, Kind.LICENSE_DOC, Mime.PDF)
    await member.delete(medium.path)
    await house.attached(medium)

    await house.grace_passes()

    assert await house.status(medium) == "uploaded"
    assert medium.key in house.storage.private
    assert await uses(house, medium) == [True]
    assert await statuses(house) == ["pending", "uploaded", "delete_requested", "uploaded"]


async def test_a_licence_and_a_deletion_at_once_never_lose_a_held_file(house: House, member: Caller) -> None:
    """Whichever comes first under the row's lock, the other one sees it."""
    medium = await house.uploaded(member, Kind.LICENSE_DOC, Mime.PDF)

    async with house.world.collision("select from media where id = $1 for update", medium.media_id, waiting=2):
        deleting = asyncio.create_task(member.delete(medium.path))
        attaching = asyncio.create_task(house.attached(medium))
    answer = await deleting
    await attaching
    await house.grace_passes()

    assert answer.status_code in {204, 409}
    assert await house.status(medium) == "uploaded"
    assert medium.key in house.storage.private
    assert await uses(house, medium) == [True]


async def test_an_owner_that_holds_it_gets_it_back_although_its_event_is_on_the_way(
    house: House, member: Caller
) -> None:
    medium = await house.uploaded(member, Kind.LICENSE_DOC, Mime.PDF)
    await member.delete(medium.path)
    house.references.held[medium.media_id] = [
        MediaReference(attachment_id=uuid4(), entity_type="license", entity_id=uuid4())
    ]

    await house.grace_passes()

    assert await house.status(medium) == "uploaded"
    assert medium.key in house.storage.private


async def test_an_owner_that_does_not_answer_makes_it_wait(house: House, member: Caller) -> None:
    media = [await house.uploaded(member) for _ in range(3)]
    for medium in media:
        await member.delete(medium.path)

    house.references.away, house.references.asked = True, []
    await house.grace_passes()
    waiting, asked = [await house.status(medium) for medium in media], list(house.references.asked)
    kept = set(house.storage.private)
    house.references.away = False
    await house.world.runs("finalise-deletes")

    assert (waiting, kept) == (["delete_requested"] * 3, {medium.key for medium in media})
    assert len(asked) == 1, "each question to an owner that is away costs its time limit"
    assert [await house.status(medium) for medium in media] == ["deleted"] * 3


@pytest.mark.parametrize(
    "place", ["deletion.began", "deletion.object_gone", "outbox.before_commit", "outbox.after_commit"]
)
async def test_delete_rerun_after_crash(house: House, member: Caller, place: str) -> None:
    medium = await house.uploaded(member)
    await member.delete(medium.path)
    arm(f"{place}=error@1")

    await house.grace_passes()
    arm("")
    await house.world.runs("finalise-deletes")

    assert await house.status(medium) == "deleted"
    assert (house.storage.private, house.storage.public) == ({}, {})
    assert (await statuses(house)).count("deleted") == 1


async def test_once_the_object_goes_nobody_gets_it_back(house: House, member: Caller) -> None:
    """A licence that comes after the owner's own no is told of, and holds nothing."""
    medium = await house.uploaded(member, Kind.LICENSE_DOC, Mime.PDF)
    await member.delete(medium.path)
    house.storage.away = True
    await house.grace_passes()

    await house.attached(medium)
    house.storage.away = False
    await house.world.runs("finalise-deletes")

    assert await house.status(medium) == "deleted"
    assert await uses(house, medium) == [False]


async def test_a_store_that_fails_ten_times_is_tried_hourly(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    await member.delete(medium.path)
    house.storage.away = True
    await house.grace_passes()

    for _ in range(ATTEMPTS_MAX - 2):
        await house.world.runs("finalise-deletes")
    nearly = await house.status(medium)
    await house.world.runs("finalise-deletes")
    failed = await house.status(medium)
    await house.world.runs("retry-failed-deletes")
    house.storage.away = False
    await house.world.runs("retry-failed-deletes")

    assert (nearly, failed) == ("delete_requested", "delete_failed")
    assert await statuses(house) == ["pending", "uploaded", "delete_requested", "delete_failed", "deleted"]


async def test_what_cannot_be_deleted_holds_up_nobody_behind_it(
    house: House, member: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of one moment, so that the second half of the place counts; a batch is two."""
    monkeypatch.setattr(jobs, "BATCH", 2)
    media = [await house.uploaded(member) for _ in range(5)]
    for medium in media:
        await member.delete(medium.path)
    async with house.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update media set delete_requested_at = (select min(delete_requested_at) from media)")
    bad = {medium.key for medium in sorted(media, key=lambda one: str(one.media_id))[:3]}
    delete = FakeStorage.delete

    async def stubborn(storage: FakeStorage, key: str) -> None:
        if key in bad:
            raise Unavailable("storage")
        await delete(storage, key)

    monkeypatch.setattr(FakeStorage, "delete", stubborn)
    await house.grace_passes()

    assert set(house.storage.private) == bad
    assert (await statuses(house)).count("deleted") == 2


async def test_two_workers_delete_once(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    await member.delete(medium.path)
    await house.grace_passes()

    await house.tells(medium.key, "OBJECT_DELETE")
    await house.world.runs("finalise-deletes")

    assert (await statuses(house)).count("deleted") == 1


async def test_a_notice_of_the_store_ends_a_deletion_too(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    await member.delete(medium.path)
    house.storage.private.clear()

    await house.tells(medium.key, "OBJECT_DELETE")

    assert await house.status(medium) == "deleted"
    assert house.storage.public == {}


async def test_an_object_that_goes_unasked_is_told_and_audited(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    await house.attached(medium, "product_gallery")
    house.storage.private.clear()

    again = [await house.tells(medium.key, "OBJECT_DELETE") for _ in range(2)]

    assert again == [None, None]
    assert await statuses(house) == ["pending", "uploaded", "deleted"]
    assert await uses(house, medium) == [False]
    assert house.storage.public == {}
    async with house.world.db.reader() as db:
        assert await db.fetchval(AUDITED, medium.media_id) == ["media.presign", "media.vanished"]


async def test_a_forged_deletion_does_nothing(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)

    await house.tells(medium.key, "OBJECT_DELETE")

    assert await house.status(medium) == "uploaded"


async def test_a_deletion_told_before_the_arrival_is_harmless(house: House, member: Caller) -> None:
    medium = await house.presign(member)

    for event in ("OBJECT_DELETE", "OBJECT_FINALIZE"):
        assert await house.tells(medium.key, event) is None
    pending = await house.status(medium)
    house.put(medium)
    for event in ("OBJECT_DELETE", "OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_FINALIZE"):
        assert await house.tells(medium.key, event) is None

    assert (pending, await house.status(medium)) == ("pending", "uploaded")


async def test_what_is_put_there_after_the_deletion_goes_again(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    await member.delete(medium.path)
    await house.grace_passes()
    house.put(medium)

    assert await house.tells(medium.key) is None

    assert await house.status(medium) == "deleted"
    assert house.storage.private == {}


async def test_detach_before_attach(house: House, member: Caller) -> None:
    """In the order of another aggregate's stream nothing can be late; an owner's two services could."""
    medium = await house.uploaded(member)
    use = use_of(medium)

    await house.world.hears(end_of(use))
    await house.world.hears(use)
    await house.world.settle(twice=True)

    assert await uses(house, medium) == [False]
    assert (await member.delete(medium.path)).status_code == 204


async def test_each_event_twice_and_reordered_gives_same_state(house: House, member: Caller) -> None:
    first, second = [await house.uploaded(member) for _ in range(2)]
    ends: list[list[str]] = []
    for medium, turn in ((first, 1), (second, -1)):
        uses_ = [use_of(medium, "license"), use_of(medium, "product_gallery")]
        events: list[Event] = [uses_[0], uses_[1], end_of(uses_[0], purge=True), end_of(uses_[1])]
        for event in events[::turn]:
            await house.world.hears(event)
        await house.world.settle(twice=True)
        ends.append([await house.status(medium), *map(str, await uses(house, medium))])

    assert ends[0] == ends[1] == ["delete_requested", "False", "False"]


async def test_a_purge_waits_until_nobody_holds_the_file(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    licence, picture = await house.attached(medium), await house.attached(medium, "product_gallery")

    await house.is_over(licence, purge=True)
    held = await house.status(medium)
    await house.is_over(picture)

    assert (held, await house.status(medium)) == ("uploaded", "delete_requested")
    await house.grace_passes()
    assert await house.status(medium) == "deleted"


async def test_without_a_purge_the_file_stays(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    use = await house.attached(medium)

    await house.is_over(use)

    assert await house.status(medium) == "uploaded"


async def test_an_upload_that_never_came_is_forgotten_after_seven_days(house: House, member: Caller) -> None:
    lost, kept = await house.presign(member), await house.uploaded(member)
    house.put(lost)
    house.world.clock.turn(timedelta(days=6, hours=23))
    await house.world.runs("clear-stale-uploads")
    early = await house.status(lost)

    house.world.clock.turn(timedelta(hours=2))
    await house.world.runs("clear-stale-uploads")

    gone = await house.world.service_caller("catalog").get(f"/internal/v1/media/{lost.media_id}")
    assert (early, gone.status_code) == ("pending", 404)
    assert list(house.storage.private) == [kept.key]
    told = [one for one in await house.world.emitted(MediaChanged) if one.media_id == lost.media_id]
    assert [(one.status, one.version, one.deleted) for one in told] == [("pending", 1, False), ("deleted", 2, True)]


async def test_an_upload_cannot_come_while_its_row_goes(house: House, member: Caller) -> None:
    lost = await house.presign(member)
    house.put(lost)
    house.world.clock.turn(timedelta(days=8))
    house.storage.away = True
    await house.world.runs("clear-stale-uploads")
    house.storage.away = False

    await house.tells(lost.key)
    await house.world.runs("clear-stale-uploads")

    assert house.storage.private == {}
    assert await statuses(house) == ["pending", "deleted"]


async def test_strays_of_a_week_are_swept_from_both_buckets(house: House, member: Caller) -> None:
    kept, failed = await house.uploaded(member), await house.uploaded(member, data=b"nothing")
    stray = kept.key.replace(str(kept.media_id), str(uuid4()))
    house.storage.put(stray, png(), "image/png")
    house.storage.put(failed.key, png(), "image/png")
    house.storage.public[stray] = house.storage.private[stray]
    house.storage.put("somebody/elses", png(), "image/png")

    await house.world.runs("sweep-strays")
    young = stray in house.storage.private
    house.world.clock.turn(timedelta(days=8))
    await house.world.runs("sweep-strays")

    assert young
    assert list(house.storage.private) == [kept.key, "somebody/elses"]
    assert list(house.storage.public) == [kept.key]
