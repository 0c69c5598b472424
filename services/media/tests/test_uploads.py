"""A file is announced, comes, is looked at, and is there (spec 3.3, 12.3; F-I7)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.failpoints import arm
from contracts.media import MediaChanged
from kernel.scope import Actor, Role
from media.domain.media import SIZE_MAX, Kind, Mime
from testkit.callers import Caller

from .conftest import House, asks
from .samples import GOOD, HTML, PDF, SVG, gif, png

STRANGE_KEY = "6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b11/product/6f0c1a52-3f5e-5d2b-9a64-0f2d1a7e5b12.png"


async def test_presign_tells_everything_that_has_to_be_sent(house: House, member: Caller) -> None:
    answer = await asks(member, "license_doc", "application/pdf", 1234, "Licence 2026.pdf")

    told = answer.json()["data"]
    assert answer.status_code == 200
    assert told["gcs_key"] == f"{member.store_id}/license_doc/{told['media_id']}.pdf"
    assert told["content_type"] == "application/pdf"
    assert told["headers"] == {
        "Content-Type": "application/pdf",
        "x-goog-content-length-range": "1,1234",
        "x-goog-if-generation-match": "0",
    }
    assert set(told) == {"media_id", "gcs_key", "signed_put_url", "content_type", "expires_at", "headers"}
    (said,) = await house.world.emitted(MediaChanged)
    assert (said.status, said.version, said.file_name, said.public_url) == ("pending", 1, "Licence 2026.pdf", None)


async def test_a_repeat_of_a_presign_gets_a_fresh_link_for_the_same_file(house: House, member: Caller) -> None:
    body = {"media_kind": "product", "mime_type": "image/png", "file_name": "a.png", "size_bytes": 10}

    first, again = [await member.post("/api/v1/media/presign", body, key="k") for _ in range(2)]

    assert again.headers["idempotency-replayed"] == "true"
    one, other = first.json()["data"], again.json()["data"]
    assert {**one, "expires_at": None} == {**other, "expires_at": None}
    async with house.world.db.reader() as db:
        assert await db.fetchval("select count(*) from media") == 1
        kept = await db.fetchval("select convert_from(body, 'utf8') from idempotency_records")
    assert "signed" not in kept


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("mime", list(Mime))
async def test_kind_mime_size_table(table_house: House, kind: Kind, mime: Mime) -> None:
    allowed = {
        **dict.fromkeys(("product", "ads"), ("image/", "video/")),
        **dict.fromkeys(("pdf", "coa", "manifest"), ("application/pdf",)),
        **dict.fromkeys(("user", "store"), ("image/",)),
        "license_doc": ("image/", "application/pdf"),
        "other": ("",),
    }
    member = table_house.member()

    answers = {size: (await asks(member, kind, mime, size)).status_code for size in (0, 1, SIZE_MAX, SIZE_MAX + 1)}

    good = 200 if mime.value.startswith(allowed[kind.value]) else 400
    assert answers == {0: 400, 1: good, SIZE_MAX: good, SIZE_MAX + 1: 400}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "file_name"),
        ({"name": "x" * 256}, "file_name"),
        ({"name": "../../etc/passwd"}, "file_name"),
        ({"name": "..\\x.png"}, "file_name"),
        ({"kind": "secret"}, "media_kind"),
        ({"mime": "image/svg+xml"}, "mime_type"),
        ({"mime": "text/html"}, "mime_type"),
        ({"kind": "coa"}, "mime_type"),
        ({"size": "10"}, "size_bytes"),
        ({"size": -1}, "size_bytes"),
        ({"gcs_key": "mine"}, "gcs_key"),
    ],
)
async def test_what_cannot_be_uploaded_is_named(table_house: House, changes: dict[str, Any], field: str) -> None:
    asked = {"kind": "product", "mime": "image/png", "size": 10, **changes}

    answer = await asks(table_house.member(), **asked)

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, [field])


async def test_a_viewer_may_not_upload(house: House) -> None:
    answer = await asks(house.member(Role.VIEWER), "product", "image/png", 10)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, "role_missing")


async def test_upload_becomes_uploaded_once(house: House, member: Caller) -> None:
    medium = await house.presign(member)
    house.put(medium)

    again = [await house.tells(medium.key) for _ in range(3)]

    assert again == [None] * 3
    said = await house.world.emitted(MediaChanged)
    assert [(one.status, one.version) for one in said] == [("pending", 1), ("uploaded", 2)]
    assert said[-1].uploaded_at is not None
    assert said[-1].public_url == f"https://cdn.test/public/{medium.key}"
    assert house.storage.public[medium.key].data == medium.data
    await house.world.settle(twice=True)


async def test_a_product_picture_is_private_until_it_was_looked_at(house: House, member: Caller) -> None:
    medium = await house.presign(member)

    house.put(medium)

    assert house.storage.public == {}
    assert (await house.state(medium))["public_url"] is None


@pytest.mark.parametrize("kind", ["license_doc", "coa", "manifest", "pdf", "other"])
async def test_private_kinds_have_no_public_url(house: House, member: Caller, kind: str) -> None:
    medium = await house.uploaded(member, Kind(kind), Mime.PDF)

    state = await house.state(medium)

    assert (state["status"], state["public_url"]) == ("uploaded", None)
    assert house.storage.public == {}


@pytest.mark.parametrize(
    ("data", "mime"),
    [
        (GOOD[Mime.PNG] + b"\0", "image/png"),
        (GOOD[Mime.PNG][:-1], "image/png"),
        (GOOD[Mime.PNG], "text/html"),
        (GOOD[Mime.PNG], "image/svg+xml"),
    ],
)
async def test_oversized_upload_never_becomes_uploaded(house: House, member: Caller, data: bytes, mime: str) -> None:
    medium = await house.presign(member)
    house.put(medium, data, mime)

    assert await house.tells(medium.key) is None

    said = await house.world.emitted(MediaChanged)
    assert [one.status for one in said] == ["pending", "failed"]
    assert (house.storage.private, house.storage.public) == ({}, {})


@pytest.mark.parametrize("data", [SVG, HTML, PDF, gif() + HTML, png() + SVG, png(16_000, 16_000)])
async def test_bytes_that_are_no_such_picture_fail_and_go(house: House, member: Caller, data: bytes) -> None:
    mime = Mime.GIF if data.startswith(b"GIF") else Mime.PNG
    medium = await house.uploaded(member, Kind.PRODUCT, mime, data)

    assert await house.status(medium) == "failed"
    assert (house.storage.private, house.storage.public) == ({}, {})


async def test_an_object_that_comes_again_after_it_failed_goes_again(house: House, member: Caller) -> None:
    """An upload link lives on for minutes after its object was deleted."""
    medium = await house.uploaded(member, data=SVG)
    house.put(medium, png())

    assert await house.tells(medium.key) is None

    assert await house.status(medium) == "failed"
    assert house.storage.private == {}


async def test_finalize_for_uncommitted_row_is_retried(house: House, member: Caller) -> None:
    medium = await house.presign(member)
    house.put(medium)
    unknown = medium.key.replace(str(medium.media_id), str(uuid4()))

    waits = [await house.tells(unknown, age=timedelta(seconds=age)) for age in (0, 30, 599)]
    house.storage.put(unknown, png(), "image/png")
    async with house.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update media set gcs_key = $2 where id = $1", medium.media_id, unknown)

    assert [wait is not None and timedelta(0) < wait <= timedelta(minutes=1) for wait in waits] == [True] * 3
    assert await house.tells(unknown) is None
    assert await house.status(medium) == "uploaded"


async def test_a_key_that_nobody_has_is_given_up_after_ten_minutes(house: House) -> None:
    early, late = [await house.tells(STRANGE_KEY, age=timedelta(minutes=age)) for age in (9, 11)]

    assert (early is not None, late) == (True, None)


@pytest.mark.parametrize(
    "forged",
    [
        {"data": b"no json"},
        {"data": b"[]"},
        {"data": b"\xff" * 70_000},
        {"name": "../../etc/passwd"},
        {"name": 7},
        {"size": "many"},
        {"size": None},
        {"contentType": None},
        {"bucket": "elsewhere"},
        {"attributes": {"eventType": "SOMETHING"}},
        {"attributes": {"payloadFormat": "NONE"}},
        {"attributes": {"objectId": "another"}},
        {"attributes": {"bucketId": "public"}, "bucket": "public"},
        {"attributes": {"eventType": "OBJECT_METADATA_UPDATE"}},
    ],
)
async def test_a_forged_or_malformed_message_does_nothing(house: House, member: Caller, forged: dict[str, Any]) -> None:
    medium = await house.presign(member)
    house.put(medium)

    assert await house.tells(medium.key, **forged) is None

    assert await house.status(medium) == "pending"


async def test_a_finalize_without_an_object_does_nothing(house: House, member: Caller) -> None:
    medium = await house.presign(member)

    assert await house.tells(medium.key, size=str(len(medium.data)), contentType="image/png") is None

    assert await house.status(medium) == "pending"


async def test_a_store_or_database_that_is_away_costs_no_message(house: House, member: Caller) -> None:
    medium = await house.presign(member)
    house.put(medium)

    house.storage.away = True
    away = await house.tells(medium.key)
    house.storage.away = False
    arm("media.before_commit=error@1")
    broken = await house.tells(medium.key)

    assert away is not None
    assert broken is not None
    assert await house.status(medium) == "pending"
    assert await house.tells(medium.key) is None
    assert await house.status(medium) == "uploaded"


async def test_what_was_settled_is_remembered_for_a_month(house: House, member: Caller) -> None:
    await house.uploaded(member)
    left = []
    for days in (29, 2):
        house.world.clock.turn(timedelta(days=days))
        await house.world.runs("forget-notices")
        async with house.world.db.reader() as db:
            left.append(await db.fetchval("select count(*) from inbox_message"))

    assert left == [1, 0]


@pytest.mark.parametrize(
    "place", ["listener.received", "listener.looked", "listener.copied", "listener.before_ack", "media.after_commit"]
)
async def test_whatever_step_fails_a_second_delivery_makes_it_whole(house: House, member: Caller, place: str) -> None:
    medium = await house.presign(member)
    house.put(medium)
    arm(f"{place}=error@1")

    assert await house.tells(medium.key) is not None
    assert await house.tells(medium.key) is None

    said = await house.world.emitted(MediaChanged)
    assert [one.status for one in said] == ["pending", "uploaded"]


@pytest.mark.parametrize(
    "place", ["listener.looked", "media.before_commit", "media.after_commit", "listener.before_ack"]
)
async def test_whatever_step_fails_a_bad_object_goes(house: House, member: Caller, place: str) -> None:
    medium = await house.presign(member, data=SVG)
    house.put(medium)
    arm(f"{place}=error@1")

    assert await house.tells(medium.key) is not None
    assert await house.tells(medium.key) is None

    assert await house.status(medium) == "failed"
    assert house.storage.private == {}


async def test_internal_reads_are_for_the_holders_of_media(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    body = {"media_ids": [str(medium.media_id), str(uuid4())]}

    answer = await house.world.service_caller("catalog").post("/internal/v1/media/read-urls", body)
    stranger = await house.world.service_caller("orders").post("/internal/v1/media/read-urls", body)

    known, unknown = answer.json()["data"]["urls"]
    assert (UUID(known["media_id"]), known["url"].endswith("signed=GET")) == (medium.media_id, True)
    assert unknown == {"media_id": body["media_ids"][1], "url": None, "expires_at": None}
    assert stranger.status_code == 403


async def test_nothing_is_read_before_it_was_looked_at(house: House, member: Caller) -> None:
    medium = await house.presign(member)
    house.put(medium)

    answer = await house.world.service_caller("identity").post(
        "/internal/v1/media/read-urls", {"media_ids": [str(medium.media_id)]}
    )

    assert answer.json()["data"]["urls"] == [{"media_id": str(medium.media_id), "url": None, "expires_at": None}]
