"""Refresh, reuse, revocation, and the copies that the gateway reads (spec 1.6; F-A2, F-A3)."""

import asyncio
from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from contracts.identity import SESSION_KEY, SecurityAlert, SessionState
from identity.clients.hot_copies import HotCopies
from identity.domain.people import Proof
from identity.usecases import accounts
from kernel.scope import Actor
from testkit.world import World

from .people import Person, a_store, an_admin, directly, grants


async def _audited(world: World, action: str) -> int:
    async with world.db.reader() as db:
        return int(await db.fetchval("select count(*) from audit_logs where action = $1", action))


@pytest.mark.plant("GET/SET refresh")
async def test_parallel_refresh_rotates_once(world: World) -> None:
    sam = await a_store(world)
    before = sam.claims
    presented = sam.refresh_token
    twins = [Person(world, sam.email, token=sam.token, refresh_token=presented) for _ in range(10)]
    family = "select from session_families where id = $1 for update"
    async with world.collision(family, before.sid, waiting=4):
        asked = [asyncio.create_task(twin.refreshes(presented)) for twin in twins]
    answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 10
    assert len({answer.json()["data"]["refresh_token"] for answer in answers}) == 1
    assert len({twin.claims.jti for twin in twins} - {before.jti}) == 1
    async with world.db.reader() as db:
        assert await db.fetchval("select generation from session_families where id = $1", before.sid) == 2
    assert (await twins[0].refreshes()).status_code == 200


@pytest.mark.parametrize("how", ["later", "from elsewhere", "an older one"])
async def test_refresh_reuse_revokes_family(world: World, how: str) -> None:
    sam = await a_store(world)
    stolen = sam.refresh_token
    await sam.refreshes()
    thief = Person(world, sam.email, token=sam.token)
    if how == "later":
        world.clock.turn(timedelta(seconds=11))
    if how == "from elsewhere":
        thief.ip = "198.51.100.1"
    if how == "an older one":
        await sam.refreshes()
    answer = await thief.refreshes(stolen)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "session_revoked")
    copy = await sam.hot_copy()
    assert copy is not None
    assert copy.revoked
    assert (await sam.refreshes()).status_code == 401
    (alert,) = await world.emitted(SecurityAlert)
    assert (alert.user_id, alert.kind) == (sam.claims.user_id, "refresh_reuse")
    assert await _audited(world, "auth.refresh_reuse") == 1


async def test_a_token_that_nobody_knows_changes_nothing(world: World) -> None:
    sam, kim = await a_store(world), await a_store(world)
    assert (await sam.refreshes("x" * 43)).status_code == 401
    assert (await sam.refreshes(kim.refresh_token)).status_code == 401
    assert (await sam.refreshes()).status_code == 200
    assert (await kim.refreshes()).status_code == 200


async def test_refresh_needs_a_bearer_that_was_good_once(world: World) -> None:
    sam = await a_store(world)
    world.clock.turn(timedelta(minutes=20))
    token = sam.token
    assert (await sam.refreshes()).status_code == 200, "an expired bearer is enough"
    for bad, reason in ((None, "token_missing"), (f"{token}x", "token_invalid"), ("a.b.c", "token_invalid")):
        sam.token = bad
        answer = await sam.refreshes()
        assert (answer.status_code, answer.json()["error"]["reason"]) == (401, reason)
        assert (await sam.logs_out()).status_code == 401


async def test_refresh_rereads_role(world: World) -> None:
    sam = await a_store(world)
    await directly(world, "update store_memberships set role = 'viewer' where user_id = $1", sam.claims.user_id)
    await sam.refreshes()
    assert sam.claims.role == "viewer"
    await directly(world, "update store_memberships set status = 'removed' where user_id = $1", sam.claims.user_id)
    assert (await sam.refreshes()).status_code == 401
    assert (await sam.logs_in()).status_code == 401, "neither a store nor a system role is left"


async def test_after_a_switch_the_former_token_is_refused_without_ending_the_session(world: World) -> None:
    sam = await a_store(world)
    former = sam.refresh_token
    await sam.does("POST", "/api/v1/auth/switch-store", {"store_id": str(sam.claims.store_id)})
    present = sam.refresh_token
    assert (await sam.refreshes(former)).status_code == 401
    assert (await sam.refreshes(present)).status_code == 200


async def test_sessions_end_by_idleness_and_by_age(world: World) -> None:
    sam = await a_store(world)
    for _ in range(4):
        world.clock.turn(timedelta(days=20))
        assert (await sam.refreshes()).status_code == 200
    world.clock.turn(timedelta(days=11))
    assert (await sam.refreshes()).status_code == 401, "91 days old"
    kim = await a_store(world)
    world.clock.turn(timedelta(days=31))
    assert (await kim.refreshes()).status_code == 401, "idle for 31 days"
    assert await kim.state() is None


async def test_flushing_redis_signs_nobody_out(world: World) -> None:
    sam, kim = await a_store(world), await a_store(world)
    await kim.logs_out()
    await world.floor.redis.flushdb()
    state = await sam.state()
    assert state is not None
    assert await sam.hot_copy() == state, "the answer fills the copy again"
    assert await kim.state() is None


async def test_a_change_of_standing_reaches_every_session_of_the_store(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    elsewhere = Person(world, sam.email)
    await elsewhere.logs_in()
    assert (await grants(admin, sam.claims.store_id)).status_code == 200
    for person in (sam, elsewhere):
        copy = await person.hot_copy()
        assert copy is not None
        assert (copy.kyc_status, copy.ask) == ("verified", False)
    await grants(admin, sam.claims.store_id, kyc_override=None, subscription_override=None)
    copy = await elsewhere.hot_copy()
    assert copy is not None
    assert copy.kyc_status == "pending_verification"


async def test_a_crash_between_mark_and_write_leaves_a_question_and_no_stale_yes(world: World) -> None:
    sam = await a_store(world)
    copies = world.floor.client(HotCopies)
    assert await copies.mark([sam.sid], "a change that dies") == {sam.sid}
    copy = await sam.hot_copy()
    assert copy is not None
    assert copy.ask
    await sam.state()
    copy = await sam.hot_copy()
    assert copy is not None
    assert copy.ask, "an answer given before the commit must not turn into a trusted copy"
    await copies.write([copy.model_copy(update={"ask": False})], "a change that dies")
    copy = await sam.hot_copy()
    assert copy is not None
    assert not copy.ask


def _state(sid: str, generation: int, version: int, *, revoked: bool = False) -> SessionState:
    return SessionState.model_validate(
        {"sid": sid, "user_id": sid, "jti": f"{generation}", "generation": generation,
         "membership_version": version, "revoked": revoked}
    )  # fmt: skip


async def test_in_whatever_order_states_arrive_the_newest_stays(world: World) -> None:
    copies = world.floor.client(HotCopies)
    for order in permutations(range(4)):
        sid = str(uuid4())
        states = [_state(sid, 1, 1), _state(sid, 1, 2), _state(sid, 2, 2), _state(sid, 2, 2, revoked=True)]
        for number in order:
            await copies.write([states[number]])
        text = await world.floor.redis.get(SESSION_KEY.format(sid=sid))
        assert SessionState.model_validate_json(text) == states[3], order
        assert 0 < await world.floor.redis.ttl(SESSION_KEY.format(sid=sid)) <= 300


async def test_an_answer_given_before_a_change_cannot_overwrite_what_came_after(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    before = await sam.state()
    assert before is not None
    await grants(admin, sam.claims.store_id)
    await world.floor.client(HotCopies).write([before])
    copy = await sam.hot_copy()
    assert copy is not None
    assert copy.kyc_status == "verified"


async def test_a_change_of_standing_waits_for_a_login_under_way(world: World) -> None:
    admin, sam = await an_admin(world), await a_store(world)
    async with world.db.transaction(actor=Actor.anonymous(), request_id="test") as tx:
        entered = await accounts.enter(tx, Proof(sam.claims.user_id, None), "somewhere")
        granting = asyncio.create_task(grants(admin, sam.claims.store_id))
        await asyncio.sleep(0.3)
        assert not granting.done(), "else the new session would be in neither of the two"
    assert (await granting).status_code == 200
    answer = await world.service_caller("gateway").get(f"/internal/v1/sessions/{entered.signed.family.id}")
    state = SessionState.model_validate(answer.json()["data"])
    assert (state.kyc_status, state.membership_version) == ("verified", 2)


async def test_logins_amid_changes_of_standing_never_leave_an_older_copy(world_without_limits: World) -> None:
    admin, sam = await an_admin(world_without_limits), await a_store(world_without_limits)
    people = [Person(world_without_limits, sam.email) for _ in range(12)]

    async def flips() -> None:
        for round_number in range(12):
            kyc = "verified" if round_number % 2 else None
            assert (await grants(admin, sam.claims.store_id, kyc_override=kyc)).status_code == 200

    answers = await asyncio.gather(flips(), *(person.logs_in() for person in people))
    assert {answer.status_code for answer in answers[1:]} == {200}
    for person in (sam, *people):
        copy = await person.hot_copy()
        assert copy == await person.state()
        assert copy is not None
        assert copy.kyc_status == "verified"
