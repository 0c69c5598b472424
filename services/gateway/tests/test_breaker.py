"""A service that does not answer is left alone for a while, and asked again by one request at a time (ADR 0011)."""

import asyncio
import time

import pytest
from gateway_house import House

from gateway.clients.upstreams import Upstreams
from gateway.domain.breaker import FAILURES_MAX, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, Breaker
from kernel.refusal import Unavailable

PRODUCTS = "/api/v1/products"
STORES = "/api/v1/stores/my"
DIES = {"X-Do": "die-first"}


def opened_breaker(now: float = 0) -> Breaker:
    breaker = Breaker("catalog")
    assert [breaker.fail(now, is_trial=False) for _ in range(FAILURES_MAX)] == [False] * (FAILURES_MAX - 1) + [True]
    return breaker


def later(house: House, seconds: float) -> None:
    """Turn the clock of the gateway's breakers."""
    ahead = time.monotonic() + seconds
    house.floor.client(Upstreams)._now = lambda: ahead


async def fail(house: House, times: int) -> None:
    state = await house.session()
    for _ in range(times):
        assert (await house.get(PRODUCTS, state, **DIES)).status_code == 503


def test_an_answer_between_failures_keeps_it_closed() -> None:
    breaker = Breaker("catalog")
    for _ in range(10):
        for _ in range(FAILURES_MAX - 1):
            assert not breaker.fail(0, is_trial=False)
        assert not breaker.succeed()
    assert not breaker.admit(0)


def test_only_one_request_tries_after_each_pause_and_an_answer_closes_it() -> None:
    breaker = opened_breaker()
    with pytest.raises(Unavailable):
        breaker.admit(PAUSE_SECONDS_MIN - 0.01)
    assert breaker.admit(PAUSE_SECONDS_MIN)
    with pytest.raises(Unavailable) as refusal:
        breaker.admit(PAUSE_SECONDS_MIN + 5)
    assert refusal.value.retry_after == 1
    assert breaker.succeed()
    breaker.end_trial()
    assert not breaker.admit(PAUSE_SECONDS_MIN)


def test_each_failed_trial_doubles_the_pause_up_to_its_largest() -> None:
    breaker, now, pauses = opened_breaker(), 0.0, []
    for _ in range(5):
        with pytest.raises(Unavailable) as refusal:
            breaker.admit(now)
        pauses.append(refusal.value.retry_after)
        now += pauses[-1] or 0
        assert breaker.admit(now)
        assert breaker.fail(now, is_trial=True)
        breaker.end_trial()
    assert pauses == [1, 2, 4, 4, 4]
    assert max(pauses) == PAUSE_SECONDS_MAX


def test_a_late_failure_prolongs_nothing_and_a_trial_without_outcome_is_repeated() -> None:
    breaker = opened_breaker()
    assert not breaker.fail(PAUSE_SECONDS_MIN - 0.1, is_trial=False)
    assert breaker.admit(PAUSE_SECONDS_MIN)
    breaker.end_trial()
    assert breaker.admit(PAUSE_SECONDS_MIN)


async def test_an_open_breaker_answers_503_at_once_and_asks_nobody(house: House) -> None:
    await fail(house, FAILURES_MAX)
    state = await house.session()
    seen = len(house.catalog.seen)
    for _ in range(20):
        answer = await house.get(PRODUCTS, state)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["details"]) == (
            503,
            "DEPENDENCY_ERROR",
            {"service": "catalog"},
        )
        assert answer.headers["retry-after"] == "1"
    assert len(house.catalog.seen) == seen
    assert (await house.get(STORES, state)).status_code == 200
    assert 'gateway_circuit_open{service="catalog"} 1.0' in (await house.get("/metrics")).text
    later(house, PAUSE_SECONDS_MIN)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert 'gateway_circuit_open{service="catalog"} 0.0' in (await house.get("/metrics")).text


async def test_while_one_request_tries_all_others_are_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await fail(house, FAILURES_MAX)
    monkeypatch.setattr("gateway.clients.upstreams.FIRST_BYTE_SECONDS", 0.5)
    state = await house.session()
    later(house, PAUSE_SECONDS_MIN)
    seen = len(house.catalog.seen)
    trial = asyncio.create_task(house.get(PRODUCTS, state, **{"X-Do": "hang"}))
    await house.catalog.reached(seen + 1)
    others = await asyncio.gather(*(house.get(PRODUCTS, state) for _ in range(10)))
    assert {answer.status_code for answer in others} == {503}
    assert (await trial).status_code == 503
    assert len(house.catalog.seen) == seen + 1
    assert (await house.get(PRODUCTS, state)).headers["retry-after"] == "2"


async def test_a_trial_whose_client_leaves_is_handed_on(house: House) -> None:
    await fail(house, FAILURES_MAX)
    state = await house.session()
    later(house, PAUSE_SECONDS_MIN)
    too_long = await house.client.post(PRODUCTS, content=_endless(), headers=house.signed(state))
    assert too_long.status_code == 413
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_a_refusal_of_the_service_is_an_answer(house: House) -> None:
    state = await house.session()
    for _ in range(3 * FAILURES_MAX):
        assert (await house.get(PRODUCTS, state, **{"X-Do": "teapot"})).status_code == 409
    await fail(house, FAILURES_MAX - 1)
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_opening_and_closing_stand_in_the_log(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    await fail(house, FAILURES_MAX)
    later(house, PAUSE_SECONDS_MIN)
    assert (await house.get(PRODUCTS, await house.session())).status_code == 200
    lines = capsys.readouterr().out
    assert lines.count('"event":"upstream.circuit_opened"') == lines.count('"event":"upstream.circuit_closed"') == 1


async def _endless() -> object:
    for _ in range(1100):
        yield b"z" * 1024
