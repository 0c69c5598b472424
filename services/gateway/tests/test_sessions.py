"""A session is alive as long as identity says so, and over within a second after it says not (spec 1.6, F-A3, F-A4)."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from gateway_house import House

from chassis.auth import SigningKey
from contracts.identity import SESSION_KEY, SessionState
from kernel.scope import Kyc, Role

PRODUCTS = "/api/v1/products"


async def seconds_until_refused(house: House, token: str, path: str = PRODUCTS) -> float:
    began = time.monotonic()
    while time.monotonic() - began < 3:
        response = await house.client.get(path, headers={"Authorization": f"Bearer {token}"})
        if response.status_code == 401:
            assert response.json()["error"]["reason"] == "session_revoked"
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    return 3


async def marked_ask(house: House, state: SessionState) -> None:
    """What identity does before it commits a change; the crash in between leaves just this."""
    await house.hot(state.model_copy(update={"ask": True}))
    del house.identity.sessions[state.sid]


async def revoked_in_redis(house: House, state: SessionState) -> None:
    await house.hot(state.model_copy(update={"revoked": True}))


async def forgotten(house: House, state: SessionState) -> None:
    await house.redis.delete(SESSION_KEY.format(sid=state.sid))
    house.identity.sessions[state.sid] = state.model_copy(update={"revoked": True})


@pytest.mark.parametrize("ended", [marked_ask, revoked_in_redis, forgotten])
async def test_a_revoked_session_is_out_within_a_second_under_load(
    house: House, ended: Callable[[House, SessionState], Awaitable[None]]
) -> None:
    state = await house.session()
    await house.hot(state)
    token = house.token(state)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    load = [asyncio.create_task(seconds_until_refused(house, token)) for _ in range(4)]
    await asyncio.sleep(0.3)
    await ended(house, state)
    changed = time.monotonic()
    await asyncio.gather(*load)
    assert time.monotonic() - changed < 1
    assert (await house.get(PRODUCTS, state)).status_code == 401


async def test_a_lowered_role_is_lost_within_a_second(house: House) -> None:
    state = await house.session(role=Role.OWNER)
    await house.hot(state)
    token = house.token(state)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    lowered = state.model_copy(update={"role": Role.VIEWER, "membership_version": 1})
    house.identity.sessions[state.sid] = lowered
    await house.hot(lowered)
    assert await seconds_until_refused(house, token) < 1


async def test_a_changed_standing_is_told_to_the_service_within_a_second(house: House) -> None:
    state = await house.session(kyc_status=Kyc.VERIFIED)
    await house.hot(state)
    await house.get(PRODUCTS, state)
    await house.hot(state.model_copy(update={"kyc_status": Kyc.SUSPENDED}))
    await asyncio.sleep(0.6)
    await house.get(PRODUCTS, state)
    assert house.catalog.seen[-1].context.kyc_status is Kyc.SUSPENDED


async def test_a_token_that_is_newer_than_the_copies_is_accepted_at_once(house: House) -> None:
    """A refresh has just been answered: process and Redis still know the generation before."""
    state = await house.session()
    await house.hot(state)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    refreshed = state.model_copy(update={"jti": "next", "generation": 2})
    house.identity.sessions[state.sid] = refreshed
    assert (await house.get(PRODUCTS, refreshed)).status_code == 200
    assert (await house.get(PRODUCTS, state)).status_code == 401


async def test_the_hot_copy_spares_identity_and_half_a_second_of_memory_spares_redis(house: House) -> None:
    state = await house.session()
    await house.hot(state)
    for _ in range(20):
        assert (await house.get(PRODUCTS, state)).status_code == 200
    assert house.identity.asked == []
    await house.redis.delete(SESSION_KEY.format(sid=state.sid))
    await asyncio.sleep(0.6)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert house.identity.asked == [state.sid]


async def test_redis_flushed_keeps_everyone_signed_in(house: House) -> None:
    states = [await house.session() for _ in range(5)]
    for state in states:
        await house.hot(state)
        assert (await house.get(PRODUCTS, state)).status_code == 200
    await house.redis.delete(*(SESSION_KEY.format(sid=state.sid) for state in states))
    await asyncio.sleep(0.6)
    assert {(await house.get(PRODUCTS, state)).status_code for state in states} == {200}


@pytest.mark.parametrize("copy", ['{"sid": 1}', "not json", '{"ask": true}'])
async def test_a_copy_that_cannot_be_read_is_no_copy(house: House, copy: str) -> None:
    state = await house.session()
    await house.redis.set(SESSION_KEY.format(sid=state.sid), copy, ex=30)
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_a_copy_of_a_later_identity_with_more_fields_is_read(house: House) -> None:
    state = await house.session()
    text = state.model_dump_json()
    await house.redis.set(SESSION_KEY.format(sid=state.sid), f'{text[:-1]},"device":"x"}}', ex=30)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert house.identity.asked == []


async def test_redis_away_asks_identity_and_both_away_is_503(house: House) -> None:
    state, other = await house.session(), await house.session()
    await house.hot(state)
    assert (await house.get(PRODUCTS, other)).status_code == 200
    house.redis_road.faults.refuse = True
    house.redis_road.reset()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert house.identity.asked[-1] == state.sid
    house.identity.is_away = True
    await asyncio.sleep(0.6)
    response = await house.get(PRODUCTS, state)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "DEPENDENCY_ERROR")
    assert response.json()["error"]["details"] == {"service": "identity"}
    assert int(response.headers["retry-after"]) >= 1
    house.redis_road.heal()
    await asyncio.sleep(1.1)
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_a_redis_that_does_not_answer_costs_a_quarter_of_a_second_and_no_session(house: House) -> None:
    state = await house.session()
    await house.hot(state)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    house.redis_road.faults.black_hole = "both"
    await asyncio.sleep(0.6)
    began = time.monotonic()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert time.monotonic() - began < 1


async def test_good_tokens_survive_a_key_rotation_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new key is published before it is used; the gateway has the old set and refetches for the kid it lacks."""
    monkeypatch.setattr("gateway.clients.access_tokens.KEYS_PAUSE_SECONDS", 0.2)
    for _ in range(3):
        old, new = house.identity.key, SigningKey.generate()
        state = await house.session()
        assert (await house.get(PRODUCTS, state)).status_code == 200
        await asyncio.sleep(0.25)
        house.identity.keys = [new, old]
        before = house.token(state)
        house.identity.key = new
        answers = await asyncio.gather(*(house.get(PRODUCTS, state) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await house.client.get(PRODUCTS, headers={"Authorization": f"Bearer {before}"})).status_code == 200


async def test_a_retired_key_opens_nothing_even_for_tokens_seen_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = await house.session()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    house.identity.keys = [SigningKey.generate()]
    monkeypatch.setattr("gateway.clients.access_tokens.KEYS_SECONDS", 0.1)
    monkeypatch.setattr("gateway.clients.access_tokens.KEYS_PAUSE_SECONDS", 0.1)
    await asyncio.sleep(0.15)
    assert (await house.get(PRODUCTS, state)).status_code == 401


async def test_the_last_key_set_is_good_while_identity_is_away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    state = await house.session()
    await house.hot(state)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    house.identity.is_away = True
    monkeypatch.setattr("gateway.clients.access_tokens.KEYS_SECONDS", 0.1)
    await asyncio.sleep(0.15)
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_the_first_requests_wait_for_one_fetch_of_the_keys(house: House) -> None:
    state = await house.session()
    answers = await asyncio.gather(*(house.get(PRODUCTS, state) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert house.identity.key_fetches == 1
