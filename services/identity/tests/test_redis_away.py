"""Sessions while identity cannot reach Redis, although the gateway perhaps can (docs/adr/0003)."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis.asyncio import Redis

from contracts.identity import SESSION_KEY, SessionState
from identity.manifest import SERVICE
from testkit.proxy import ChaosProxy
from testkit.servers import TestServers
from testkit.world import World

from .conftest import CHEAP
from .people import Person, a_store, an_admin, grants


@pytest.fixture
async def line(servers: TestServers) -> AsyncIterator[ChaosProxy]:
    """The way from identity to Redis; the gateway has one of its own."""
    parts = urlsplit(servers.redis_url)
    async with ChaosProxy(parts.hostname or "127.0.0.1", parts.port or 6379) as proxy:
        yield proxy


@pytest.fixture
async def far(servers: TestServers, line: ChaosProxy) -> AsyncIterator[World]:
    url = urlunsplit(urlsplit(servers.redis_url)._replace(netloc=f"127.0.0.1:{line.port}"))
    async with World.open(SERVICE, servers, settings={**CHEAP, "redis_url": url}) as world:
        yield world


@pytest.fixture
async def gateway_redis(servers: TestServers) -> AsyncIterator[Redis]:
    async with Redis.from_url(servers.redis_url, decode_responses=True, protocol=2) as redis:
        yield redis


def cut(line: ChaosProxy) -> None:
    line.faults.refuse = True
    line.reset()


async def what_a_gateway_believes(redis: Redis, person: Person) -> SessionState:
    text = await redis.get(SESSION_KEY.format(sid=person.sid))
    assert text is not None
    return SessionState.model_validate_json(text)


async def debts_are_paid(world: World) -> None:
    """The job ticks every second; within a few ticks nothing may be owed."""
    for _ in range(30):
        await world.runs("pay-hot-copies")
        async with world.db.reader() as db:
            if not await db.fetchval("select exists (select from session_copies_owed)"):
                return
        await asyncio.sleep(0.1)
    raise AssertionError("hot copies are still owed")


async def test_log_out_is_recorded_but_not_vouched_for(far: World, line: ChaosProxy, gateway_redis: Redis) -> None:
    sam = await a_store(far)
    cut(line)
    answer = await sam.logs_out()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert await sam.state() is None, "identity's word is final at once"
    assert not (await what_a_gateway_believes(gateway_redis, sam)).revoked, "the cut is what this test is about"
    line.heal()
    await debts_are_paid(far)
    assert (await what_a_gateway_believes(gateway_redis, sam)).revoked
    assert (await sam.logs_out()).status_code == 200


async def test_people_come_in_and_stay_in(far: World, line: ChaosProxy) -> None:
    sam = await a_store(far)
    cut(line)
    assert (await sam.logs_in()).status_code == 200
    assert (await sam.refreshes()).status_code == 200
    switched = await sam.does("POST", "/api/v1/auth/switch-store", {"store_id": str(sam.claims.store_id)})
    assert switched.status_code == 200
    state = await sam.state()
    assert state is not None
    assert state.jti == sam.claims.jti


async def test_a_standing_withdrawn_meanwhile_is_made_up_for(
    far: World, line: ChaosProxy, gateway_redis: Redis
) -> None:
    admin, sam = await an_admin(far), await a_store(far)
    await grants(admin, sam.claims.store_id)
    cut(line)
    assert (await grants(admin, sam.claims.store_id, kyc_override=None)).status_code == 200
    assert (await what_a_gateway_believes(gateway_redis, sam)).kyc_status == "verified"
    line.heal()
    await debts_are_paid(far)
    assert (await what_a_gateway_believes(gateway_redis, sam)).kyc_status == "pending_verification"


async def test_a_question_about_a_session_does_not_wait_for_redis(far: World, line: ChaosProxy) -> None:
    sam = await a_store(far)
    line.faults.black_hole = "both"
    began = asyncio.get_running_loop().time()
    answer = await far.service_caller("gateway").get(f"/internal/v1/sessions/{sam.sid}")
    assert answer.status_code == 200
    assert asyncio.get_running_loop().time() - began < 0.4
    line.heal()
