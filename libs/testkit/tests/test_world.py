import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from kernel.scope import Role, StoreType
from testkit.sample.bench import VERSIONS
from testkit.sample.manifest import SERVICE, ThingSaid, Told
from testkit.servers import TestServers
from testkit.world import World


@pytest.fixture
async def world(servers: TestServers) -> AsyncIterator[World]:
    async with World.open(SERVICE, servers, versions=VERSIONS) as world:
        yield world


async def names(world: World) -> list[str]:
    async with world.db.reader() as db:
        return [row["name"] for row in await db.fetch("select name from things order by name")]


async def test_a_caller_is_whoever_the_gateway_would_vouch_for(world: World) -> None:
    member = {"user_id": uuid4(), "store_id": uuid4(), "store_type": StoreType.BUYER}
    owner, viewer = world.caller(**member, role=Role.OWNER), world.caller(**member, role=Role.VIEWER)
    stranger = world.caller(**{**member, "store_id": uuid4()}, role=Role.OWNER)

    made = await owner.post("/api/v1/things", {"name": "lamp"}, key="k1")
    again = await owner.post("/api/v1/things", {"name": "lamp"}, key="k1")
    path = f"/api/v1/things/{made.json()['data']['id']}"

    assert made.status_code == 201
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (made.json(), "true")
    assert (await owner.get(path, {"unknown": "1"})).json() == {"data": {"name": "lamp"}}
    assert (await viewer.post("/api/v1/things", {"name": "x"}, key="k2")).status_code == 403
    assert (await stranger.get(path)).status_code == 404
    assert (await world.caller().get(path)).status_code == 401
    assert (await world.nobody.get(path)).status_code == 401


async def test_another_service_may_ask_what_it_is_allowed_to(world: World) -> None:
    path = f"/internal/v1/things/{uuid4()}"

    assert (await world.service_caller("elsewhere").get(path)).status_code == 200
    assert (await world.service_caller("orders").get(path)).status_code == 403


async def test_an_event_is_heard_through_the_broker_and_what_follows_is_said(world: World) -> None:
    await world.hears(Told(tale_id=uuid4(), text="heard"))
    await world.settle(twice=True)

    assert await names(world) == ["heard"]
    assert [said.text for said in await world.emitted(ThingSaid)] == ["heard"]


async def test_a_fact_that_comes_too_early_is_settled_once_its_ground_is_there(world: World) -> None:
    await world.hears(Told(tale_id=uuid4(), text="child", parent="parent"))
    with pytest.raises(AssertionError, match="not_yet"):
        await world.settle()

    await world.hears(Told(tale_id=uuid4(), text="parent"))
    world.clock.turn(timedelta(minutes=1))
    await world.settle()

    assert await names(world) == ["child", "parent"]


async def test_a_handler_that_fails_is_told_where_it_was_caused(world: World) -> None:
    tale = uuid4()
    await world.hears(Told(tale_id=tale, text="same"))
    with pytest.raises(AssertionError, match="refused"):
        await world.hears(Told(tale_id=tale, text="same"))


async def test_a_gap_is_waited_for(world: World) -> None:
    tale = uuid4()
    await world.hears(Told(tale_id=tale, text="second"), seq=2)
    assert await names(world) == []

    await world.hears(Told(tale_id=tale, text="first"), seq=1)
    assert await names(world) == ["first", "second"]


async def test_a_collision_lets_go_when_enough_wait_and_not_before(world: World) -> None:
    async with world.collision("lock table things in exclusive mode", waiting=2):
        told = [asyncio.create_task(world.hears(Told(tale_id=uuid4(), text=name))) for name in ("a", "b")]
        await asyncio.wait(told, timeout=0.2)
        assert not any(one.done() for one in told)
    await asyncio.gather(*told)
    assert await names(world) == ["a", "b"]


async def test_a_collision_that_does_not_come_about_fails_the_test(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testkit.world.COLLISION_SECONDS", 0.1)
    with pytest.raises(TimeoutError):
        async with world.collision("select 1", waiting=1):
            pass
