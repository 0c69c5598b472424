"""A store's list of its files (spec 1.4, 3.3)."""

from typing import Any
from uuid import uuid4

import pytest

from kernel.scope import Actor, Role
from media.clients.storage import FakeStorage
from media.domain.media import Kind, Mime
from testkit.callers import Caller

from .conftest import House, asks

FILES = "/api/v1/media"

FILL = """
insert into media (id, store_id, user_id, kind, status, gcs_key, file_name, mime_type, size_bytes, created_at)
select id, $1, id, 'product', 'uploaded', id::text, name, 'image/png', 1, '2026-01-01'
  from (select name, gen_random_uuid() as id from unnest($2::text[]) name) made
"""


async def page(member: Caller, **query: Any) -> dict[str, Any]:
    answer = await member.get(FILES, params=query)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def names(member: Caller, **query: Any) -> list[str]:
    return [one["file_name"] for one in (await page(member, **query))["items"]]


async def fill(house: House, member: Caller, prefix: str, rows: int) -> set[str]:
    """Files of one moment; their names."""
    made = [f"{prefix} {number}" for number in range(rows)]
    async with house.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run(FILL, member.store_id, made)
    return set(made)


async def test_a_link_is_shown_only_for_what_can_be_read(house: House, member: Caller) -> None:
    await house.uploaded(member)
    await house.presign(member, Kind.COA, Mime.PDF)

    pending, uploaded = (await page(member))["items"]

    assert (pending["status"], pending["signed_url"], pending["uploaded_at"]) == ("pending", None, None)
    assert (uploaded["status"], uploaded["signed_url"].endswith("signed=GET")) == ("uploaded", True)
    assert set(uploaded) == {
        "id", "store_id", "user_id", "kind", "status", "file_name", "mime_type", "size_bytes", "created_at",
        "uploaded_at", "signed_url",
    }  # fmt: skip


async def test_a_list_is_there_although_nothing_can_be_signed(
    house: House, member: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.uploaded(member)

    async def broken(*_: Any) -> Any:
        raise OSError

    monkeypatch.setattr(FakeStorage, "reads", broken)

    assert [one["signed_url"] for one in (await page(member))["items"]] == [None]


async def test_each_filter_narrows_the_list(house: House, member: Caller) -> None:
    await house.uploaded(member, Kind.PRODUCT, Mime.PNG)
    await house.presign(member, Kind.LICENSE_DOC, Mime.PDF)
    for name in ("100%.png", "1000.png", "a_b.png", "axb.png", r"back\slash".replace("\\", "-")):
        await asks(member, "other", "image/gif", 1, name)

    assert len(await names(member)) == 7
    assert len(await names(member, kind="product")) == 1
    assert len(await names(member, status="pending")) == 6
    assert len(await names(member, mime_type="application/pdf")) == 1
    assert await names(member, search="100%") == ["100%.png"]
    assert await names(member, search="A_B") == ["a_b.png"]
    assert (await page(member, kind="other", with_total=True))["pagination"]["total"] == 5


@pytest.mark.parametrize("query", [{"kind": "x"}, {"status": "x"}, {"mime_type": "x"}, {"limit": 0}, {"cursor": "x"}])
async def test_a_filter_that_is_none_is_refused(table_house: House, query: dict[str, Any]) -> None:
    assert (await table_house.member().get(FILES, params=query)).status_code == 400


async def test_a_cursor_belongs_to_its_filters_and_its_store(house: House, member: Caller) -> None:
    await fill(house, member, "there", 3)
    cursor = (await page(member, limit=1))["pagination"]["next"]

    assert (await member.get(FILES, params={"cursor": cursor, "kind": "product"})).status_code == 400
    assert (await house.member().get(FILES, params={"cursor": cursor})).status_code == 400


async def test_deleted_files_are_shown_to_whoever_asks_for_them(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    await member.delete(medium.path)
    await house.grace_passes()

    assert await names(member) == []
    assert len(await names(member, status="deleted")) == 1


async def test_a_store_sees_its_own_files_only(house: House, member: Caller) -> None:
    medium = await house.uploaded(member)
    stranger = house.member()

    foreign, unknown = [await stranger.delete(path) for path in (medium.path, f"{FILES}/{uuid4()}")]

    assert await names(stranger) == []
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert await house.status(medium) == "uploaded"


async def test_every_member_may_look(house: House, member: Caller) -> None:
    await house.uploaded(member)

    assert len(await names(house.member(Role.VIEWER, member.store_id))) == 1


async def test_paging_57_rows_by_10_same_timestamp_no_loss_no_repeat_while_inserting(
    house: House, member: Caller
) -> None:
    there = await fill(house, member, "there", 57)

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 10}
    while query.get("cursor", "first"):
        found = await page(member, **query)
        seen += [one["file_name"] for one in found["items"]]
        await fill(house, member, f"later {len(seen)}", 1)
        query["cursor"] = found["pagination"]["next"]

    assert len(seen) == len(set(seen))
    assert there <= set(seen)
