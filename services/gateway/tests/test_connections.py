"""Nobody holds a connection for nothing: slow heads, slow bodies, idle ones, readers that do not read (F-I3, F-S7)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deeds import FLOOD_BYTES
from gateway_house import House, opened, seconds_of, until_closed, wire

from testkit.proxy import ChaosProxy

PRODUCTS = "/api/v1/products"
STORES = "/api/v1/stores/my"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
NOISE_SECONDS = 0.02
"""What a p99 of this machine may be by itself."""

SHORT = {"head_seconds": 1.0, "body_seconds": 2.0, "idle_seconds": 1.0}
MANY = {"connections_per_address": 2000}


@dataclass
class Siege:
    """Connections that send a beginning and then a piece now and then; how each of them ended, and after how long."""

    house: House
    lives: list[asyncio.Task[tuple[bytes, float]]] = field(default_factory=list)
    drips: list[asyncio.Task[None]] = field(default_factory=list)
    doors: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def open(self) -> int:
        return sum(not life.done() for life in self.lives)

    async def begin(self, count: int, beginning: bytes, piece: bytes = b"", every: float = 0.4) -> None:
        for _ in range(count):
            reader, writer = await self.doors.enter_async_context(wire(self.house))
            writer.write(beginning)
            self.lives.append(asyncio.create_task(_lived(reader)))
            if piece:
                self.drips.append(asyncio.create_task(_drip(writer, piece, every)))

    async def end(self) -> None:
        for task in (*self.drips, *self.lives):
            task.cancel()
        await asyncio.gather(*self.drips, *self.lives, return_exceptions=True)
        await self.doors.aclose()


async def _lived(reader: asyncio.StreamReader) -> tuple[bytes, float]:
    began = asyncio.get_running_loop().time()
    return (await until_closed(reader))[:12], asyncio.get_running_loop().time() - began


async def _drip(writer: asyncio.StreamWriter, piece: bytes, every: float) -> None:
    while not writer.transport.is_closing():
        writer.write(piece)
        await asyncio.sleep(every)


@asynccontextmanager
async def siege(house: House) -> AsyncIterator[Siege]:
    laid = Siege(house)
    try:
        yield laid
    finally:
        await laid.end()


def get(headers: dict[str, str]) -> bytes:
    return _head(f"GET {PRODUCTS} HTTP/1.1", headers)


def post(path: str, length: int, headers: dict[str, str]) -> bytes:
    return _head(f"POST {path} HTTP/1.1", {"Content-Length": str(length), **headers})


def _head(line: str, headers: dict[str, str]) -> bytes:
    return "\r\n".join([line, "Host: x", *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


@pytest.mark.parametrize(
    ("patience", "within", "rank"),
    [(SHORT, 4.0, 0.5), pytest.param({}, 15.0, 0.99, marks=[pytest.mark.long, pytest.mark.timeout(300)])],
)
async def test_slow_heads_slow_bodies_and_idle_connections_are_closed_and_others_feel_nothing(
    tmp_path: Path, redis_url: str, patience: dict[str, float], within: float, rank: float
) -> None:
    """400, 50 and 1,000 of them; the short form is over too soon for a p99, and looks at the median."""
    async with opened(tmp_path, redis_url, **MANY, **patience) as house, siege(house) as laid:
        state = await house.session()
        usual = await seconds_of(house, state, rank)
        await laid.begin(400, b"GET /api/v1/products HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n")
        await laid.begin(20, post(PRODUCTS, 5000, house.signed(state)), b"x")
        await laid.begin(20, post(PRODUCTS, 500_000, house.signed(state)), b"x")
        await laid.begin(10, post(PRODUCTS, 5000, {}), b"x")
        await laid.begin(1000, LIVE)
        besieged = await seconds_of(house, state, rank)
        async with asyncio.timeout(within + 5):
            ends = await asyncio.gather(*laid.lives)
        assert len(ends) == 1450
        assert max(seconds for _, seconds in ends) <= within
        assert {answer for answer, _ in ends} == {b"HTTP/1.1 400", b"HTTP/1.1 401", b"HTTP/1.1 200"}
        assert not [seen for seen in house.catalog.seen if seen.method == "POST"]
    assert besieged <= 2 * max(usual, NOISE_SECONDS), f"{usual:.4f} s before"


async def test_a_connection_that_says_nothing_is_closed_without_a_word(tmp_path: Path, redis_url: str) -> None:
    async with opened(tmp_path, redis_url, **SHORT) as house, wire(house) as (reader, _):
        async with asyncio.timeout(3):
            assert await until_closed(reader) == b""


async def test_a_body_that_keeps_its_pace_may_take_its_time(tmp_path: Path, redis_url: str) -> None:
    """More than half the time of a body, at twice the rate."""
    async with opened(tmp_path, redis_url, body_seconds=2.0, body_bytes_per_second=200) as house:
        state = await house.session()
        async with wire(house) as (reader, writer):
            writer.write(post(PRODUCTS, 600, house.signed(state)))
            for _ in range(15):
                writer.write(b"x" * 40)
                await asyncio.sleep(0.1)
            assert (await reader.read(12)) == b"HTTP/1.1 200"


async def test_a_slow_body_is_the_clients_fault_and_never_the_services(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.clients.upstreams.FIRST_BYTE_SECONDS", 0.3)
    state = await house.session()
    for length in (1000, 900_000) * 3:
        async with wire(house) as (reader, writer):
            writer.write(post(PRODUCTS, length, house.signed(state)) + b"x")
            answer = await until_closed(reader)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"request_too_slow"' in answer
    assert (await house.get(PRODUCTS, state)).status_code == 200


async def test_an_address_has_so_many_connections_and_no_more(tmp_path: Path, redis_url: str) -> None:
    async with opened(tmp_path, redis_url, connections_per_address=20) as house:
        async with siege(house) as laid:
            await laid.begin(20, b"")
            for _ in range(5):
                async with wire(house) as (reader, writer):
                    writer.write(LIVE)
                    refused = await until_closed(reader)
                assert refused.startswith(b"HTTP/1.1 429")
                assert b"retry-after: 1\r\n" in refused
                assert b'"too_many_connections"' in refused
            assert laid.open == 20
        await asyncio.sleep(0.1)
        assert (await house.get("/health/live")).status_code == 200


async def test_the_address_of_a_trusted_proxy_stands_for_many_and_keeps_its_connections(
    tmp_path: Path, redis_url: str
) -> None:
    proxied = {"trusted_proxies": ["127.0.0.0/8"], "connections_per_address": 20, "idle_seconds": 0.3}
    async with opened(tmp_path, redis_url, **proxied) as house, siege(house) as laid:
        await laid.begin(60, LIVE)
        await asyncio.sleep(1.2)
        assert laid.open == 60


async def test_idle_connections_give_way_when_places_run_out(tmp_path: Path, redis_url: str) -> None:
    async with opened(tmp_path, redis_url, connections_max=20, idle_seconds=60) as house, siege(house) as laid:
        await laid.begin(20, LIVE)
        async with wire(house) as (reader, writer):
            writer.write(LIVE)
            refused = await until_closed(reader)
        assert refused.startswith(b"HTTP/1.1 503")
        assert b'"DEPENDENCY_ERROR"' in refused
        async with asyncio.timeout(5):
            await asyncio.gather(*laid.lives)
        assert (await house.get("/health/live")).status_code == 200


async def test_more_requests_than_may_be_in_work_are_503(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.clients.upstreams.FIRST_BYTE_SECONDS", 1.0)
    async with opened(tmp_path, redis_url, requests_max=5) as house:
        state = await house.session()
        hanging = [asyncio.create_task(house.get(PRODUCTS, state, **{"X-Do": "hang"})) for _ in range(5)]
        await house.catalog.reached(5)
        refused = await house.get("/health/live")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DEPENDENCY_ERROR")
        assert refused.headers["retry-after"] == "1"
        await asyncio.gather(*hanging)
        assert (await house.get("/health/live")).status_code == 200


async def test_a_reader_that_does_not_read_is_cut_off(tmp_path: Path, redis_url: str) -> None:
    async with opened(tmp_path, redis_url, head_seconds=1.0) as house:
        headers = house.signed(await house.session(), **{"X-Do": "flood"})
        async with wire(house) as (reader, writer):
            writer.write(get(headers))
            await asyncio.sleep(4)
            assert 0 < len(await until_closed(reader)) < FLOOD_BYTES / 2


async def test_what_is_sent_ahead_is_answered_in_order_and_only_so_much_of_it(house: House) -> None:
    request = get(house.signed(await house.session()))
    async with wire(house) as (reader, writer):
        writer.write(request * 10 + LIVE.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        answers = await until_closed(reader)
    assert answers.count(b"HTTP/1.1 200 OK") == 11
    assert b'"live"' in answers[-60:]
    async with wire(house) as (reader, writer):
        writer.write(request * 100)
        async with asyncio.timeout(5):
            answers = await until_closed(reader)
    assert answers.count(b"HTTP/1.1 200 OK") == len(house.catalog.seen) - 10 <= 20


async def test_clients_on_a_slow_road_keep_nobody_else_waiting(house: House) -> None:
    url = house.client.base_url
    async with ChaosProxy(url.host, url.port or 80) as road:
        await crawl_beside_others(house, road, f"http://127.0.0.1:{road.port}{PRODUCTS}")


async def test_a_service_on_a_slow_road_keeps_nobody_else_waiting(tmp_path: Path, redis_url: str) -> None:
    async with AsyncExitStack() as doors:
        road = await doors.enter_async_context(ChaosProxy("127.0.0.1", 0))
        there = {"catalog_url": f"http://127.0.0.1:{road.port}"}
        house = await doors.enter_async_context(opened(tmp_path, redis_url, **there))
        road._target = ("127.0.0.1", house.catalog.port)
        await crawl_beside_others(house, road, PRODUCTS)


async def crawl_beside_others(house: House, road: ChaosProxy, address: str) -> None:
    """Thirty requests at 200 bytes a second in both directions, while others ask another service (F-S7)."""
    state = await house.session()
    usual = await seconds_of(house, state, 0.99, STORES)
    road.faults.rate_kb = 0.2
    bodies = (b"x" * number for number in range(30))
    crawling = [
        asyncio.create_task(house.client.post(address, content=body, headers=house.signed(state))) for body in bodies
    ]
    await asyncio.sleep(0.5)
    beside = await seconds_of(house, state, 0.99, STORES)
    road.heal()
    assert {answer.status_code for answer in await asyncio.gather(*crawling)} == {200}
    assert beside <= 2 * max(usual, NOISE_SECONDS), f"p99 was {usual:.4f} s before"
