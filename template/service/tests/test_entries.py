"""Entries through their doors."""

from typing import Any
from uuid import uuid4

import httpx

from contracts.newservice import EntryAdded
from kernel.scope import Actor
from testkit.callers import Caller
from testkit.world import World

ENTRIES = "/api/v1/newservice"


async def add(member: Caller, title: str, key: str | None = None) -> httpx.Response:
    return await member.post(ENTRIES, {"title": title}, key=key or str(uuid4()))


async def page(member: Caller, **query: Any) -> dict[str, Any]:
    answer = await member.get(ENTRIES, params=query)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_what_is_added_can_be_read_and_is_told(world: World, member: Caller) -> None:
    added = await add(member, "House Blend")

    assert added.status_code == 201, added.text
    entry = added.json()["data"]
    assert (await member.get(f"{ENTRIES}/{entry['id']}")).json()["data"] == entry
    assert (await page(member, with_total=True))["items"] == [entry]
    told = [event for event in await world.emitted(EntryAdded) if str(event.entry_id) == entry["id"]]
    assert [(event.title, str(event.store_id)) for event in told] == [("House Blend", str(member.store_id))]
    await world.settle(twice=True)


async def test_a_repeat_with_its_key_adds_nothing(member: Caller) -> None:
    first, again = await add(member, "Once", key="k"), await add(member, "Once", key="k")

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert (await page(member, with_total=True))["pagination"]["total"] == 1


async def test_one_title_however_it_is_spelled(member: Caller, stranger: Caller) -> None:
    await add(member, "House Blend")

    same = await add(member, "house  BLEND")

    assert (same.status_code, same.json()["error"]["reason"]) == (409, "duplicate")
    assert (await add(stranger, "House Blend")).status_code == 201


async def test_an_entry_of_another_store_is_not_there(member: Caller, stranger: Caller) -> None:
    entry = (await add(member, "Mine")).json()["data"]

    foreign, unknown = [await stranger.get(f"{ENTRIES}/{one}") for one in (entry["id"], uuid4())]

    assert foreign.status_code == unknown.status_code == 404
    assert (await page(stranger))["items"] == []


async def fill(world: World, member: Caller, prefix: str, rows: int) -> set[str]:
    """Entries of one moment; their titles."""
    titles = [f"{prefix} {number}" for number in range(rows)]
    async with world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run(
            "insert into entries (id, store_id, title, title_key, created_at)"
            " select gen_random_uuid(), $1, title, title, '2026-01-01' from unnest($2::text[]) title",
            member.store_id,
            titles,
        )
    return set(titles)


async def test_paging_57_rows_by_10_same_timestamp_no_loss_no_repeat_while_inserting(
    world: World, member: Caller
) -> None:
    there = await fill(world, member, "there", 57)

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 10}
    while query.get("cursor", "first"):
        found = await page(member, **query)
        seen += [entry["title"] for entry in found["items"]]
        await fill(world, member, f"later {len(seen)}", 1)
        query["cursor"] = found["pagination"]["next"]

    assert len(seen) == len(set(seen))
    assert there <= set(seen)
