"""The table of limits (spec 16.2), with figures of 50 a user and 80 an address where settings allow it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import http_sf
import httpx
import pytest
from gateway_house import House, forget_limits, opened, served

from chassis.ids import new_id
from gateway.domain.addresses import rate_subject
from kernel.scope import SystemRole

PRODUCTS = "/api/v1/products"
ONE_USER = new_id()


async def statuses(house: House, path: str, tries: int, method: str = "POST", **options: Any) -> list[int]:
    return [(await house.client.request(method, path, **options)).status_code for _ in range(tries)]


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/api/v1/admin/auth/login", "/api/admin/auth/login"])
async def test_login_is_limited_to_20_a_minute_and_address(limited_house: House, path: str) -> None:
    assert await statuses(limited_house, path, 21) == [200] * 20 + [429]
    spoofed = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    refused = await limited_house.client.post("/api/v1/auth/login", headers=spoofed)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert refused.headers["ratelimit-policy"] == '"login-ip";q=20;w=60'
    assert len(limited_house.identity.seen) == 20


async def test_register_is_limited_to_20_in_five_minutes_and_address(limited_house: House) -> None:
    assert await statuses(limited_house, "/api/v1/auth/register", 21) == [200] * 20 + [429]
    refused = await limited_house.client.post("/api/v1/auth/register")
    assert refused.headers["ratelimit-policy"] == '"register-ip";q=20;w=300'


@pytest.mark.parametrize(
    ("method", "path", "policy", "amount"),
    [
        ("POST", "/api/v1/checkout", "checkout-store", 10),
        ("POST", "/api/v1/vendor/orders/0192/decision", "decisions-store", 60),
        ("POST", "/api/v1/vendor/orders/0192/line-items/decision", "decisions-store", 60),
        ("POST", "/api/v1/vendor/orders/0192/fulfill", "decisions-store", 60),
        ("POST", "/api/v1/media/presign", "presign-store", 60),
        ("POST", "/api/v1/ads/impression", "ads-store", 120),
        ("GET", "/api/v1/ads/click", "ads-store", 120),
        ("POST", "/api/v1/agent/orders/0192/cash-collected", "cash-agent", 30),
    ],
)
async def test_rate_limit_table(limited_house: House, method: str, path: str, policy: str, amount: int) -> None:
    """A store's or an agent's own limits; the services are no part of this installation, so what is admitted is 404."""
    is_agent = policy == "cash-agent"
    house, scope = limited_house, {"system_role": SystemRole.AGENT} if is_agent else {}
    state, colleague, other = [await house.session(**scope) for _ in range(3)]
    shared = {"user_id": state.user_id} if is_agent else {"store_id": state.store_id}
    same = colleague.model_copy(update=shared)
    house.identity.sessions[same.sid] = same
    headers = [house.signed(who) for who in (state, same)]
    answers = await asyncio.gather(
        *(house.client.request(method, path, headers=headers[turn % 2]) for turn in range(amount + 5))
    )
    assert [answer.status_code for answer in answers].count(404) == amount
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["ratelimit-policy"] == f'"{policy}";q={amount};w=60'
    assert int(refused.headers["retry-after"]) >= 1
    assert (await house.client.request(method, path, headers=house.signed(other))).status_code == 404


async def test_everything_else_is_limited_per_user_and_per_address(limited_house: House) -> None:
    one, other = await limited_house.session(), await limited_house.session()
    headers = limited_house.signed(one)
    assert await statuses(limited_house, PRODUCTS, 55, "GET", headers=headers) == [200] * 50 + [429] * 5
    answered = await limited_house.get(PRODUCTS, other)
    assert answered.headers["ratelimit-policy"] == '"user";q=50;w=60, "ip";q=80;w=60'
    left = {item[0]: item[1]["r"] for item in http_sf.parse(answered.headers["ratelimit"].encode(), tltype="list")}
    assert left == {"user": 49, "ip": 29}
    assert (
        await statuses(limited_house, PRODUCTS, 40, "GET", headers=limited_house.signed(other))
        == [200] * 29 + [429] * 11
    )


async def test_the_address_counts_for_anonymous_and_public_routes(limited_house: House) -> None:
    answers = await statuses(limited_house, "/api/public/ping", 81, "GET")
    assert answers == [200] * 80 + [429]
    assert (await limited_house.client.post("/api/v1/auth/refresh")).status_code == 429
    assert (await limited_house.get("/health/live")).status_code == 200


async def test_redis_outage_is_never_unlimited(limited_house: House) -> None:
    state = await limited_house.session()
    assert (await limited_house.get(PRODUCTS, state)).status_code == 200
    limited_house.redis_road.faults.refuse = True
    limited_house.redis_road.reset()
    answers = await statuses(limited_house, PRODUCTS, 60, "GET", headers=limited_house.signed(state))
    assert 49 <= answers.count(200) <= 51
    assert set(answers) == {200, 429}
    assert (await statuses(limited_house, "/api/v1/auth/login", 25)).count(200) == 20


LOGIN = "/api/v1/auth/login"
OFF = 100_000
AT_ONCE = 8
BURSTS: dict[str, tuple[int, dict[str, int]]] = {
    "user": (200, {"rate_user_per_minute": 200, "rate_ip_per_minute": OFF}),
    "ip": (200, {"rate_user_per_minute": OFF, "rate_ip_per_minute": 200}),
    "login": (20, {}),
}
"""What each burst may have admitted, and the settings under which it is the only limit that counts."""


@pytest.mark.parametrize("policy", BURSTS)
async def test_a_burst_through_two_gateways_admits_at_most_five_per_cent_too_many(
    tmp_path: Path, redis_url: str, policy: str
) -> None:
    """Both count in the same Redis (F-I10)."""
    limit, figures = BURSTS[policy]
    await forget_limits(redis_url)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(opened(tmp_path, redis_url, rate_limits=True, **figures))
        url, _ = await stack.enter_async_context(served(house.floor.settings))
        second = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
        answers = await burst(house, policy, [house.client, second], 250)
    assert_within(answers, limit)


@pytest.mark.parametrize("policy", BURSTS)
async def test_a_burst_in_which_redis_is_lost_admits_no_more_either(
    tmp_path: Path, redis_url: str, policy: str
) -> None:
    """One gateway, which goes on counting by itself (F-I10)."""
    limit, figures = BURSTS[policy]
    await forget_limits(redis_url)
    async with opened(tmp_path, redis_url, rate_limits=True, **figures) as house:
        answers = await burst(house, policy, [house.client], limit // 2)
        house.redis_road.faults.refuse = True
        house.redis_road.reset()
        answers += await burst(house, policy, [house.client], 250)
    assert_within(answers, limit)


async def burst(house: House, policy: str, clients: list[httpx.AsyncClient], count: int) -> list[httpx.Response]:
    """So many requests, some at once: of one user with ten sessions, of ten users at one address, or of nobody."""
    users = [{"user_id": ONE_USER} if policy == "user" else {} for _ in range(10)]
    headers = [house.signed(await house.session(**user)) for user in users]
    door = asyncio.Semaphore(AT_ONCE)

    async def one(turn: int) -> httpx.Response:
        client = clients[turn % len(clients)]
        async with door:
            if policy == "login":
                return await client.post(LOGIN)
            return await client.get(PRODUCTS, headers=headers[turn % 10])

    return await asyncio.gather(*(one(turn) for turn in range(count)))


def assert_within(answers: list[httpx.Response], limit: int) -> None:
    admitted = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(admitted) + len(refused) == len(answers)
    assert 0.9 * limit <= len(admitted) <= 1.05 * limit
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


async def test_limits_can_be_off_for_load_tools(house: House) -> None:
    assert set(await statuses(house, "/api/v1/auth/login", 40)) == {200}


def test_an_ipv6_caller_owns_its_whole_network() -> None:
    assert rate_subject("2001:db8:1:2:aaaa::1") == rate_subject("2001:db8:1:2:bbbb::9")
    assert rate_subject("2001:db8:1:3::1") != rate_subject("2001:db8:1:2::1")
    assert rate_subject("10.0.0.1") == "10.0.0.1"
