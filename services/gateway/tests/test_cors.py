"""Which pages of other origins may read answers: the configured ones, exactly as spec 1.3 says (F-I11)."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from gateway_house import House, opened, settings_of
from pydantic import ValidationError

from gateway.clients.sessions import Sessions

PRODUCTS = "/api/v1/products"
SHOP, STAFF = "https://shop.example.com", "http://localhost:3000"
STRANGERS = [
    "https://evil.example",
    "https://shop.example.com.evil.example",
    "https://evil-shop.example.com",
    "http://shop.example.com",
    "https://shop.example.com:8443",
    "https://SHOP.example.com",
    "https://shop.example.com/",
    "null",
    "*",
    "",
]
ALLOWED = {"accept", "authorization", "content-type", "x-pf-token", "idempotency-key"} | {
    "x-requested-with",
    "x-request-id",
}
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, idempotency-key"}


@pytest.fixture
async def open_house(tmp_path: Path, redis_url: str) -> AsyncIterator[House]:
    """Two origins are known."""
    async with opened(tmp_path, redis_url, cors_origins=[SHOP, STAFF]) as made:
        yield made


def cors_of(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def words(value: str) -> set[str]:
    return {word.strip().lower() for word in value.split(",")}


async def test_a_known_origin_may_read_every_answer(open_house: House) -> None:
    state = await open_house.session()
    for origin in (SHOP, STAFF):
        answers = [
            await open_house.get(PRODUCTS, state, Origin=origin),
            await open_house.get(PRODUCTS, Origin=origin),
            await open_house.get("/nowhere", Origin=origin),
            await open_house.get("/health/live", Origin=origin),
            await open_house.get(f"{PRODUCTS}/%2f", state, Origin=origin),
            await open_house.get(PRODUCTS, state, Origin=origin, **{"X-Do": "teapot"}),
        ]
        assert [answer.status_code for answer in answers] == [200, 401, 404, 200, 400, 409]
        for answer in answers:
            told = cors_of(answer.headers)
            assert told.pop("access-control-allow-origin") == origin
            assert told.pop("access-control-allow-credentials") == "true"
            exposed = words(told.pop("access-control-expose-headers"))
            assert exposed == {"x-pf-token", "x-request-id", "idempotency-replayed", "retry-after"}
            assert not told
            assert "origin" in words(answer.headers["vary"])


async def test_a_defect_is_readable_and_secured_too(open_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Sessions, "check", broken)
    answer = await open_house.get(PRODUCTS, await open_house.session(), Origin=SHOP)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "ZeroDivision" not in answer.text


async def test_a_preflight_is_answered_at_the_gateway(open_house: House) -> None:
    for path in (PRODUCTS, "/api/v1/auth/login", "/api/v1/nothing"):
        answer = await open_house.client.options(path, headers={"Origin": SHOP, **ASKS})
        assert (answer.status_code, answer.content) == (204, b"")
        told = cors_of(answer.headers)
        assert told["access-control-allow-origin"] == SHOP
        assert told["access-control-allow-credentials"] == "true"
        assert told["access-control-max-age"] == "300"
        assert words(told["access-control-allow-methods"]) == {"get", "head", "post", "put", "patch", "delete"}
        assert words(told["access-control-allow-headers"]) == ALLOWED
        varies = words(", ".join(answer.headers.get_list("vary")))
        assert varies == {"origin", "access-control-request-method", "access-control-request-headers"}
    assert not open_house.catalog.seen
    assert not open_house.identity.seen


@pytest.mark.parametrize("origin", STRANGERS)
async def test_no_unknown_origin_is_reflected(open_house: House, origin: str) -> None:
    state = await open_house.session()
    answer = await open_house.get(PRODUCTS, state, Origin=origin)
    assert answer.status_code == 200
    assert not cors_of(answer.headers)
    assert words(answer.headers["vary"]) == {"origin"}
    preflight = await open_house.client.options(PRODUCTS, headers={"Origin": origin, **ASKS})
    assert preflight.status_code == 401
    assert not cors_of(preflight.headers)
    assert words(preflight.headers["vary"]) == {"origin"}


async def test_without_configured_origins_there_is_no_cors(house: House) -> None:
    state = await house.session()
    for answer in (
        await house.get(PRODUCTS, state, Origin=SHOP),
        await house.client.options(PRODUCTS, headers={"Origin": SHOP, **ASKS}),
    ):
        assert not cors_of(answer.headers)
        assert "vary" not in answer.headers


async def test_an_options_request_that_is_no_preflight_is_like_any_other(open_house: House) -> None:
    answer = await open_house.client.options(PRODUCTS, headers={"Origin": SHOP})
    assert answer.status_code == 401


@pytest.mark.parametrize("origin", ["*", "https://*.example.com", "https://a.example/", "a.example", "null", "ftp://a"])
def test_a_vague_origin_is_fatal_at_start(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        settings_of(tmp_path, "redis://127.0.0.1:1", identity_url="http://127.0.0.1:1", cors_origins=[origin])
