"""The table of limits (spec 16.2), with figures of 50 a user and 80 an address where settings allow it."""

import asyncio
from typing import Any

import http_sf
import pytest
from gateway_house import House

from gateway.domain.addresses import rate_subject

PRODUCTS = "/api/v1/products"


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
    ("path", "policy", "amount"),
    [
        ("/api/v1/checkout", "checkout-store", 10),
        ("/api/v1/vendor/orders/0192/decision", "decisions-store", 60),
        ("/api/v1/vendor/orders/0192/line-items/decision", "decisions-store", 60),
        ("/api/v1/vendor/orders/0192/fulfill", "decisions-store", 60),
    ],
)
async def test_stores_have_limits_of_their_own(limited_house: House, path: str, policy: str, amount: int) -> None:
    """Orders is no part of this installation, so what is admitted is a 404."""
    state, colleague = await limited_house.session(), await limited_house.session()
    same_store = state.model_copy(update={"store_id": colleague.store_id})
    limited_house.identity.sessions[state.sid] = same_store
    headers = [limited_house.signed(who) for who in (same_store, colleague)]
    answers = await asyncio.gather(
        *(limited_house.client.post(path, headers=headers[turn % 2]) for turn in range(amount + 5))
    )
    assert [answer.status_code for answer in answers].count(404) == amount
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["ratelimit-policy"] == f'"{policy}";q={amount};w=60'
    other = await limited_house.session()
    assert (await limited_house.client.post(path, headers=limited_house.signed(other))).status_code == 404


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


async def test_limits_can_be_off_for_load_tools(house: House) -> None:
    assert set(await statuses(house, "/api/v1/auth/login", 40)) == {200}


def test_an_ipv6_caller_owns_its_whole_network() -> None:
    assert rate_subject("2001:db8:1:2:aaaa::1") == rate_subject("2001:db8:1:2:bbbb::9")
    assert rate_subject("2001:db8:1:3::1") != rate_subject("2001:db8:1:2::1")
    assert rate_subject("10.0.0.1") == "10.0.0.1"
