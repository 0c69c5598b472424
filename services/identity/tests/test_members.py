"""Who belongs to a store, in which role, and until when (spec 1.7, 2.2; F-A3, F-A4)."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from contracts.identity import StoreChanged
from identity.domain.people import Proof
from identity.usecases import accounts
from kernel.scope import Actor, Role
from testkit.world import World

from .people import Person, a_colleague, a_store, an_invite, directly


def _refusal(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"].get("reason")


async def _roles(owner: Person) -> dict[str, str]:
    answer = await owner.does("GET", "/api/v1/stores/me/users")
    return {one["email"]: one["role"] for one in answer.json()["data"]["items"]}


async def test_invited_or_removed_member_has_no_rights(world: World) -> None:
    owner, kim, newcomer = await a_store(world), await a_store(world), Person(world)
    await an_invite(owner, newcomer.email, "manager")
    _, token = await an_invite(owner, kim.email, "manager")
    assert _refusal(await newcomer.logs_in()) == (401, "bad_credentials")
    assert _refusal(await kim.switches(owner.claims.store_id)) == (403, "role_missing")
    listed = (await kim.logs_in()).json()["data"]
    assert [store["id"] for store in listed["stores"]] == [str(kim.claims.store_id)]
    assert (await kim.does("GET", f"/api/v1/stores/{owner.claims.store_id}")).status_code == 404

    home = kim.claims.store_id
    assert (await kim.accepts(token)).status_code == 200
    assert (await owner.removes(kim)).status_code == 204
    assert (await kim.refreshes()).status_code == 401
    assert (await kim.logs_in()).json()["data"]["active_store_id"] == str(home)
    assert _refusal(await kim.switches(owner.claims.store_id)) == (403, "role_missing")
    assert (await kim.does("GET", f"/api/v1/stores/{owner.claims.store_id}")).status_code == 404
    assert kim.email not in await _roles(owner)


@pytest.mark.plant("removal without ending sessions")
async def test_removed_member_is_out_at_once(world: World) -> None:
    owner, kim = await a_store(world), await a_store(world)
    await a_colleague(owner, "manager", kim.email)
    at_home = Person(world, kim.email)
    await at_home.logs_in()
    await at_home.switches(kim.claims.store_id)
    here = [Person(world, kim.email) for _ in range(2)]
    for session in here:
        await session.logs_in()
        await session.switches(owner.claims.store_id)
        assert session.claims.role is Role.MANAGER
    assert (await owner.removes(kim)).status_code == 204
    for session in here:
        copy = await session.hot_copy()
        assert copy is not None
        assert (copy.revoked, copy.ask) == (True, False)
        assert await session.state() is None
        assert (await session.refreshes()).status_code == 401
    assert await at_home.state() is not None, "sessions that act for another store are untouched"
    assert (await at_home.refreshes()).status_code == 200


async def test_a_role_lowered_while_a_token_lives_lowers_what_the_session_may_do(world: World) -> None:
    """F-A4: the session says so at once, the token that says otherwise is dead, the next one says the same."""
    owner = await a_store(world)
    kim = await a_colleague(owner, "manager")
    before = await kim.hot_copy()
    changed = await owner.gives_role(kim, "viewer")
    assert changed.status_code == 200, changed.text
    assert changed.json()["data"]["role"] == "viewer"
    assert changed.json()["data"]["user_id"] == str(kim.claims.user_id)
    copy = await kim.hot_copy()
    assert before is not None
    assert copy is not None
    assert (copy.role, copy.ask, copy.revoked) == (Role.VIEWER, False, False)
    assert copy.membership_version == before.membership_version + 1
    assert copy == await kim.state()
    assert kim.claims.role is Role.MANAGER, "the gateway refuses a token that disagrees with its session"
    assert (await kim.refreshes()).status_code == 200
    assert kim.claims.role is Role.VIEWER
    assert _refusal(await kim.does("GET", "/api/v1/stores/me/users")) == (403, "role_missing")


async def test_a_power_that_was_taken_away_is_not_used_within_the_second(world: World) -> None:
    """A context may be a second old; what a manager does to people is judged by the membership as it is."""
    owner = await a_store(world)
    kim, eve = [await a_colleague(owner, role) for role in ("owner", "staff")]
    await owner.gives_role(kim, "viewer")
    assert kim.claims.role is Role.OWNER
    for answer in (
        await kim.gives_role(kim, "owner"),
        await kim.removes(eve),
        await kim.invites("max@example.net"),
    ):
        assert _refusal(answer) == (403, "role_missing")


@pytest.mark.plant("a manager may grant every role")
async def test_manager_cannot_grant_owner(world: World) -> None:
    owner = await a_store(world)
    manager, staff = [await a_colleague(owner, role) for role in ("manager", "staff")]
    for answer in (
        await manager.invites("eve@example.net", "owner"),
        await manager.gives_role(staff, "owner"),
        await manager.gives_role(manager, "owner"),
        await manager.gives_role(owner, "viewer"),
        await manager.removes(owner),
    ):
        assert _refusal(answer) == (403, "role_missing")
    assert await _roles(owner) == {owner.email: "owner", manager.email: "manager", staff.email: "staff"}
    for role in ("manager", "ops", "viewer"):
        assert (await manager.gives_role(staff, role)).status_code == 200
        assert (await manager.invites(f"{role}@example.net", role)).status_code == 201
    assert (await owner.gives_role(manager, "owner")).status_code == 200
    assert (await owner.removes(manager)).status_code == 204


async def test_the_last_owner_stays(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "manager")
    for answer in (await owner.removes(owner), await owner.gives_role(owner, "manager")):
        assert _refusal(answer) == (409, "last_owner")
    await owner.gives_role(kim, "owner")
    await directly(world, "update users set is_active = false where id = $1", kim.claims.user_id)
    assert _refusal(await owner.removes(owner)) == (409, "last_owner"), "who is locked out owns nothing"
    await directly(world, "update users set is_active = true where id = $1", kim.claims.user_id)
    assert (await owner.removes(owner)).status_code == 204
    assert await owner.state() is None


async def test_a_store_is_told_by_an_owner_it_has(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "owner")
    assert len(await world.emitted(StoreChanged)) == 1, "who belongs to a store is no fact of others"
    await owner.gives_role(owner, "staff")
    told = (await world.emitted(StoreChanged))[-1]
    assert (told.owner_user_id, told.version) == (kim.claims.user_id, 2)
    await kim.refreshes()
    seen = (await kim.does("GET", "/api/v1/stores/me")).json()["data"]
    assert (seen["owner"], seen["owner_detail"]["email"]) == (str(kim.claims.user_id), kim.email)


async def test_the_same_role_again_changes_nothing(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "staff")
    before = await kim.state()
    assert (await owner.gives_role(kim, "staff")).json()["data"]["role"] == "staff"
    assert await kim.state() == before


@pytest.mark.parametrize("who", ["foreign", "removed", "unknown"])
async def test_who_is_no_member_cannot_be_found(world: World, who: str) -> None:
    owner, stranger = await a_store(world), await a_store(world)
    former = await a_colleague(owner)
    await owner.removes(former)
    target = {"foreign": stranger.claims.user_id, "removed": former.claims.user_id, "unknown": uuid4()}[who]
    unknown = await owner.removes(uuid4())
    for answer in (await owner.removes(target), await owner.gives_role(target, "ops")):
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert await stranger.state() is not None


async def test_a_role_that_is_none_is_refused_by_name(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner)
    for role in ("admin", "agent", "Owner", ""):
        answer = await owner.gives_role(kim, role)
        assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["role"])


async def test_two_owners_who_leave_at_once_leave_one_behind(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "owner")
    async with world.collision("select from stores where id = $1 for update", owner.claims.store_id, waiting=2):
        leaving = [asyncio.create_task(person.removes(person)) for person in (owner, kim)]
    answers = await asyncio.gather(*leaving)
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    async with world.db.reader() as db:
        owners = await db.fetch("select user_id from store_memberships where role = 'owner' and status = 'active'")
        told = await db.fetchval("select owner_user_id from stores where id = $1", owner.claims.store_id)
    assert [row["user_id"] for row in owners] == [told]


async def test_of_two_owners_who_remove_each_other_one_stays(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "owner")
    async with world.collision("select from stores where id = $1 for update", owner.claims.store_id, waiting=2):
        removing = [asyncio.create_task(owner.removes(kim)), asyncio.create_task(kim.removes(owner))]
    answers = await asyncio.gather(*removing)
    assert sorted(answer.status_code for answer in answers) == [204, 403], "who is out removes nobody"


async def test_a_removal_waits_for_a_login_under_way(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner)
    async with world.db.transaction(actor=Actor.anonymous(), request_id="test") as tx:
        entered = await accounts.enter(tx, Proof(kim.claims.user_id, password_changed_at=None), "somewhere")
        removing = asyncio.create_task(owner.removes(kim))
        await asyncio.sleep(0.3)
        assert not removing.done(), "else the new session would survive"
    assert (await removing).status_code == 204
    answer = await world.service_caller("gateway").get(f"/internal/v1/sessions/{entered.signed.family.id}")
    assert answer.status_code == 404


async def test_a_login_waits_for_a_removal_under_way(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner)
    async with world.collision("select from stores where id = $1 for update", owner.claims.store_id, waiting=2):
        removing = asyncio.create_task(owner.removes(kim))
        while not await _somebody_waits(world):  # noqa: ASYNC110  PostgreSQL tells nobody who waits
            await asyncio.sleep(0.01)
        coming = asyncio.create_task(kim.logs_in())
    assert (await removing).status_code == 204
    assert (await coming).status_code == 401


async def _somebody_waits(world: World) -> bool:
    """For a lock of the database."""
    statement = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with world.db.reader() as db:
        return await db.fetchrow(statement) is not None


async def test_changes_of_people_are_audited(world: World) -> None:
    owner = await a_store(world)
    kim = await a_colleague(owner, "staff")
    await owner.gives_role(kim, "ops")
    await owner.removes(kim)
    async with world.db.reader() as db:
        rows = await db.fetch(
            "select action, target_id, actor_user_id, actor_store_id, payload from audit_logs"
            " where action like 'store.member%' order by seq"
        )
    assert [(row["action"], row["payload"]) for row in rows] == [
        ("store.member_role", {"before": "staff", "after": "ops"}),
        ("store.member_remove", {"role": "ops"}),
    ]
    assert {row["target_id"] for row in rows} == {kim.claims.user_id}
    assert {(row["actor_user_id"], row["actor_store_id"]) for row in rows} == {
        (owner.claims.user_id, owner.claims.store_id)
    }
