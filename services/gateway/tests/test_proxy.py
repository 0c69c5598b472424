"""What passes through, unchanged and without being held, and what does not pass at all (spec 11, 1.3)."""

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from deeds import LEFT
from gateway_house import House, Upstream, opened, raw_request

from chassis.auth import Trust, trust_path

PRODUCTS = "/api/v1/products"
LOGIN = "/api/v1/auth/login"
MIB = 1024 * 1024

SPOOFED = {
    "X-PF-Context": "eyJhbGciOiJub25lIn0.e30.",
    "X-PF-Client-IP": "6.6.6.6",
    "X-PF-Deadline-Ms": "999999",
    "X_PF_Context": "underscores",
    "X-User-Id": "root",
    "X-Store-Id": "0192f000-0000-7000-8000-000000000003",
    "X-Store-Type": "vendor",
    "X-Internal-Service": "orders",
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Host": "evil.example",
    "X-Real-IP": "6.6.6.6",
    "X-Original-URL": "/api/v1/admin/stores",
    "Forwarded": "for=6.6.6.6",
    "Proxy-Authorization": "Basic x",
    "Connection": "close, X-Secret-Hop",
    "X-Secret-Hop": "1",
    "Keep-Alive": "timeout=5",
    "TE": "trailers",
    "tracestate": "a=b",
}


@pytest.mark.plant("client X-Store-Id trusted")
async def test_spoofed_context_and_forwarded_headers_ignored(house: House) -> None:
    state = await house.session()
    response = await house.get(PRODUCTS, state, **SPOOFED)
    assert response.status_code == 200
    seen = house.catalog.seen[-1]
    assert seen.context.store_id == state.store_id
    assert seen.header("X-PF-Client-IP") == "127.0.0.1"
    assert 0 < int(seen.header("X-PF-Deadline-Ms") or 0) <= 12_000
    told = {name.lower() for name, _ in seen.headers}
    ours = {"x-pf-context", "x-pf-client-ip", "x-pf-deadline-ms"}
    assert not told & ({name.lower() for name in SPOOFED} - ours)


async def test_what_a_client_may_say_arrives_as_it_was_said(house: House) -> None:
    state = await house.session()
    said = {"Accept": "application/json", "Accept-Encoding": "br", "User-Agent": "buyer/1", "Idempotency-Key": '"k 1"'}
    await house.client.post(f"{PRODUCTS}?a=%2F%20+b&a=2", content=b'{"n": NaN}', headers=house.signed(state, **said))
    seen = house.catalog.seen[-1]
    assert {name: seen.header(name) for name in said} == said
    assert seen.body == b'{"n": NaN}'
    assert seen.header("traceparent")
    raw = await raw_request(house, f"GET {PRODUCTS}?a=%2F%20+b&a=2 HTTP/1.1", house.signed(state))
    assert raw.startswith(b"HTTP/1.1 200")
    assert house.catalog.seen[-1].query == "a=%2F%20+b&a=2"


async def test_a_trace_goes_on_from_the_gateway_to_the_service(house: House) -> None:
    response = await house.get(PRODUCTS, await house.session())
    trace_id = response.headers["traceresponse"].split("-")[1]
    assert (house.catalog.seen[-1].header("traceparent") or "").split("-")[1] == trace_id


@pytest.mark.plant("first X-Forwarded-For trusted")
async def test_a_forwarded_address_counts_from_trusted_proxies_only(tmp_path: Path, redis_url: str) -> None:
    chain = "6.6.6.6, 203.0.113.9, 10.1.1.1"
    expected: list[tuple[dict[str, Any], str, str]] = [
        ({}, chain, "127.0.0.1"),
        ({"trusted_proxies": ["10.0.0.0/8"]}, chain, "127.0.0.1"),
        ({"trusted_proxies": ["127.0.0.0/8"]}, chain, "10.1.1.1"),
        ({"trusted_proxies": ["127.0.0.0/8"], "trusted_hops": 2}, chain, "203.0.113.9"),
        ({"trusted_proxies": ["127.0.0.0/8"], "trusted_hops": 4}, chain, "127.0.0.1"),
        ({"trusted_proxies": ["127.0.0.0/8"]}, "not an address", "127.0.0.1"),
    ]
    for changes, forwarded, address in expected:
        async with opened(tmp_path, redis_url, **changes) as house:
            await house.client.post(LOGIN, json={}, headers={"X-Forwarded-For": forwarded})
            assert house.identity.seen[-1].header("X-PF-Client-IP") == address, changes


async def test_answers_pass_unchanged(house: House) -> None:
    state = await house.session()
    refused = await house.get(PRODUCTS, state, **{"X-Do": "teapot"})
    assert refused.status_code == 409
    assert refused.json()["error"]["reason"] == "own_words"
    assert refused.headers["cache-control"] == "private"
    moved = await house.get(PRODUCTS, state, **{"X-Do": "redirect"})
    assert (moved.status_code, moved.headers["location"]) == (302, "http://127.0.0.1:9/elsewhere")
    assert moved.headers["set-cookie"] == "a=b"
    await house.get(PRODUCTS, state)
    assert house.catalog.seen[-1].header("Cookie") in {None, "a=b"}
    async with house.client.stream("GET", PRODUCTS, headers=house.signed(state, **{"X-Do": "packed"})) as packed:
        raw = b"".join([piece async for piece in packed.aiter_raw()])
    assert raw == b"\x1f\x8b not really gzip"
    large = await house.get(PRODUCTS, state, **{"X-Do": "large"})
    assert len(large.content) == 4 * MIB


async def test_the_gateway_keeps_no_cookies_of_services(house: House) -> None:
    one, other = await house.session(), await house.session()
    await house.get(PRODUCTS, one, **{"X-Do": "redirect"})
    house.client.cookies.clear()
    await house.get(PRODUCTS, other)
    assert house.catalog.seen[-1].header("Cookie") is None


async def test_security_headers_stand_on_all_answers(house: House) -> None:
    state = await house.session()
    answers = [
        await house.get(PRODUCTS, state),
        await house.get(PRODUCTS),
        await house.get("/api/v1/nothing", state),
        await house.get("/health/live"),
        await house.client.get("/nowhere"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert "strict-transport-security" not in answer.headers
    assert {answer.headers["cache-control"] for answer in answers[:3]} == {"no-store"}


async def test_production_tells_browsers_to_stay_with_https_and_has_no_admin_register(
    tmp_path: Path, redis_url: str
) -> None:
    async with opened(tmp_path, redis_url, environment="production", rate_limits=True) as house:
        assert "max-age" in (await house.get("/health/live")).headers["strict-transport-security"]
        assert (await house.client.post("/api/v1/admin/auth/register", json={})).status_code == 401
        assert (await house.client.post("/api/v1/admin/auth/login", json={})).status_code == 200


async def test_get_with_json_content_type_and_no_body(house: House) -> None:
    response = await house.get(PRODUCTS, await house.session(), **{"Content-Type": "application/json"})
    assert response.status_code == 200
    seen = house.catalog.seen[-1]
    assert (seen.body, seen.header("Content-Type")) == (b"", "application/json")
    assert seen.header("Transfer-Encoding") is None


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, MIB])
@pytest.mark.parametrize("chunked", [False, True])
async def test_bodies_up_to_1_mib_arrive_byte_for_byte(shared_house: House, size: int, chunked: bool) -> None:
    body = bytes(index * 31 % 256 for index in range(size))

    async def pieces() -> Any:
        for start in range(0, size, 10_000):
            yield body[start : start + 10_000]

    state = await shared_house.session()
    content: Any = pieces() if chunked else body
    response = await shared_house.client.post(PRODUCTS, content=content, headers=shared_house.signed(state))
    assert response.status_code == 200
    assert shared_house.catalog.seen[-1].body == body


TOO_LONG = [(PRODUCTS, MIB), (LOGIN, 64 * 1024), ("/api/admin/auth/login", 64 * 1024)]


@pytest.mark.parametrize(("path", "limit"), TOO_LONG)
@pytest.mark.parametrize("chunked", [False, True])
async def test_body_over_1_mib_413(house: House, path: str, limit: int, chunked: bool) -> None:
    state = await house.session()

    async def pieces() -> Any:
        for _ in range(limit // 1024):
            yield b"z" * 1024
        yield b"z"

    content: Any = pieces() if chunked else b"z" * (limit + 1)
    response = await house.client.post(path, content=content, headers=house.signed(state))
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert not house.catalog.seen
    assert not house.identity.seen
    assert (await house.get(PRODUCTS, state)).status_code == 200


@pytest.mark.parametrize("path", [PRODUCTS, "/api/public/validate", LOGIN])
async def test_a_body_without_end_is_answered_within_a_second_and_cut_off(house: House, path: str) -> None:
    state = await house.session()
    url = house.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *_lines(house.signed(state))]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    began = time.monotonic()
    answer = asyncio.create_task(reader.read(64))
    sent = await _bytes_until_cut_off(writer)
    assert (await answer).startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 3
    assert sent < 16 * MIB
    assert not house.catalog.seen


async def test_two_content_lengths_never_make_two_requests(house: House) -> None:
    headers = house.signed(await house.session())
    for extra in (
        {"Content-Length": "4", "content-length": "5"},
        {"Content-Length": "4", "Transfer-Encoding": "chunked"},
    ):
        head = await raw_request(house, f"POST {PRODUCTS} HTTP/1.1", {**headers, **extra})
        assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"")), head
        assert b" 200 " not in head.split(b"\r\n")[0]
    assert not house.catalog.seen


async def test_stream_passes_through(house: House) -> None:
    headers = house.signed(await house.session(), **{"X-Do": "events"})
    began = time.monotonic()
    async with house.client.stream("GET", PRODUCTS, headers=headers) as response:
        assert response.headers["content-type"] == "text/event-stream"
        arrived = [(time.monotonic() - began, piece) async for piece in response.aiter_raw()]
    assert b"".join(piece for _, piece in arrived) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert arrived[0][0] < 0.25
    assert arrived[-1][0] > 0.5


async def test_a_stream_whose_reader_leaves_is_left_at_once(house: House) -> None:
    headers = house.signed(await house.session(), **{"X-Do": "endless-events"})
    async with house.client.stream("GET", PRODUCTS, headers=headers) as response:
        async for _ in response.aiter_raw():
            break
    assert house.catalog.runner is not None
    for _ in range(100):
        if house.catalog.runner.app[LEFT]:
            return
        await asyncio.sleep(0.02)
    pytest.fail("the service still writes to nobody")


async def test_an_event_stream_outlives_15_seconds_and_nothing_else_does(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.clients.upstreams.FIRST_BYTE_SECONDS", 0.3)
    monkeypatch.setattr("gateway.clients.upstreams.TOTAL_SECONDS", 0.5)
    state = await house.session()
    assert (await house.get(PRODUCTS, state, **{"X-Do": "events"})).text.endswith("data: 2\n\n")
    began = time.monotonic()
    response = await house.get(PRODUCTS, state, **{"X-Do": "hang"})
    assert time.monotonic() - began < 1
    assert (response.status_code, response.json()["error"]["details"]) == (503, {"service": "catalog"})


async def test_a_service_that_is_away_is_503_and_names_itself_only(house: House) -> None:
    state = await house.session()
    await house.catalog.stop()
    response = await house.get(PRODUCTS, state)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["details"]) == (503, "DEPENDENCY_ERROR", {"service": "catalog"})
    assert error["message"] == "dependency unavailable"
    assert response.headers["retry-after"]
    assert (await house.get("/api/v1/stores/my", state)).status_code == 200
    await house.catalog.start()
    assert (await house.get(PRODUCTS, state)).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_request_that_reached_a_service_is_never_sent_again(house: House, method: str) -> None:
    state = await house.session()
    assert (await house.get(PRODUCTS, state)).status_code == 200
    count = len(house.catalog.seen)
    response = await house.client.request(method, PRODUCTS, headers=house.signed(state, **{"X-Do": "die-first"}))
    assert response.status_code == 503
    assert len(house.catalog.seen) == count + 1


async def test_a_service_killed_midway_breaks_the_answer_and_not_the_gateway(house: House) -> None:
    state = await house.session()
    with pytest.raises(httpx.RemoteProtocolError):
        await house.get(PRODUCTS, state, **{"X-Do": "die-midway"})
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_only_a_refused_connection_is_repeated_at_the_next_instance(tmp_path: Path, redis_url: str) -> None:
    async with opened(tmp_path, redis_url) as before:
        del before
    trust = Trust(trust_path(tmp_path))
    instances = [Upstream("catalog", trust) for _ in range(3)]
    for instance in instances:
        await instance.start()
    urls = ",".join(instance.url for instance in instances)
    async with opened(tmp_path, redis_url, catalog_url=urls) as house:
        state = await house.session()
        for _ in range(9):
            assert (await house.client.post(PRODUCTS, json={}, headers=house.signed(state))).status_code == 200
        assert [len(instance.seen) for instance in instances] == [3, 3, 3]
        await instances[0].stop()
        await instances[1].stop()
        for _ in range(6):
            assert (await house.client.post(PRODUCTS, json={}, headers=house.signed(state))).status_code == 200
        assert len(instances[2].seen) == 9
    await instances[2].stop()


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_no_trace(house: House) -> None:
    state = await house.session()
    url = house.client.base_url
    for length in ("1000", "900000"):
        _, writer = await asyncio.open_connection(url.host, url.port)
        lines = [f"POST {PRODUCTS} HTTP/1.1", "Host: x", f"Content-Length: {length}", *_lines(house.signed(state))]
        writer.write("\r\n".join([*lines, "", "half"]).encode())
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.transport.abort()
    await asyncio.sleep(0.2)
    assert (await house.get(PRODUCTS, state)).status_code == 200
    assert [seen.body for seen in house.catalog.seen] == [b""]


async def _bytes_until_cut_off(writer: asyncio.StreamWriter) -> int:
    sent = 0
    try:
        while sent < 60 * MIB:
            writer.write(b"4000\r\n" + b"z" * 16_384 + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0)
            sent += 16_384
    except ConnectionError:
        pass
    return sent


def _lines(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]
