"""Heavy and folded bodies cost the gateway no memory and nobody any time (F-I2)."""

import asyncio
import contextlib
import gc
import gzip
import json
import time

import psutil
import pytest
from gateway_house import House, until_closed, wire

PRODUCTS = "/api/v1/products"
LOGIN = "/api/v1/auth/login"
MIB = 1024 * 1024
GROWTH_MAX = 20 * MIB
BOMB = gzip.compress(bytes(60 * MIB))


async def sent(house: House, headers: dict[str, str]) -> bytes:
    """The answer to 60 MB, written for as long as anybody reads them."""
    lines = [f"POST {PRODUCTS} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked"]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
    async with wire(house) as (reader, writer):
        writer.write(head.encode())
        answer = asyncio.create_task(until_closed(reader))
        with contextlib.suppress(ConnectionError):
            for _ in range(60 * 16):
                writer.write(b"10000\r\n" + b"z" * 65_536 + b"\r\n")
                await writer.drain()
        return await answer


def resident() -> int:
    gc.collect()
    size: int = psutil.Process().memory_info().rss
    return size


@pytest.mark.parametrize("encoding", [None, "gzip"])
async def test_bodies_of_60_mb_cost_no_memory(house: House, encoding: str | None) -> None:
    """The gateway and its clients share this process, so both are counted."""
    headers = house.signed(await house.session(), **({"Content-Encoding": encoding} if encoding else {}))
    await sent(house, headers)
    before = resident()
    answers = await asyncio.gather(*(sent(house, headers) for _ in range(10)))
    grown = resident() - before
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 400" if encoding else b"HTTP/1.1 413"}
    assert grown <= GROWTH_MAX
    assert not house.catalog.seen


async def test_a_declared_60_mb_is_refused_before_a_byte_of_it_is_read(house: House) -> None:
    began = time.monotonic()
    async with wire(house) as (reader, writer):
        writer.write(f"POST {PRODUCTS} HTTP/1.1\r\nHost: x\r\nContent-Length: {60 * MIB}\r\n\r\n".encode())
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 413")
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip", "identity, gzip", "x"])
@pytest.mark.parametrize("path", [PRODUCTS, LOGIN, "/api/public/validate"])
async def test_an_encoded_body_is_refused_and_says_why(house: House, encoding: str, path: str) -> None:
    headers = house.signed(await house.session(), **{"Content-Encoding": encoding})
    answer = await house.client.post(path, content=BOMB[: 60 * 1024], headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["reason"]) == (400, "VALIDATION_ERROR", "encoding_unsupported")
    assert error["details"] == {"content-encoding": "is invalid"}
    assert not house.catalog.seen
    assert not house.identity.seen


async def test_a_body_that_says_it_is_not_encoded_passes(house: House) -> None:
    headers = house.signed(await house.session(), **{"Content-Encoding": "identity"})
    assert (await house.client.post(PRODUCTS, content=b"{}", headers=headers)).status_code == 200
    assert house.catalog.seen[-1].body == b"{}"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000 + "]" * 10_000,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"name":"a","name":"b","email":"a@b.co"}',
        '{"name":"a","email":"a@b.co","limit":NaN}',
        '{"name":"a","email":"a@b.co","limit":-Infinity}',
        '{"name":"a","email":"a@b.co","limit":1e400}',
        '{"name":"a","email":"a@b.co","limit":' + "9" * 5000 + "}",
        '{"name":"a\\u0000","email":"a@b.co"}',
        '{"name":"\\ud800","email":"a@b.co"}',
        json.dumps(list(range(150_000)), separators=(",", ":")),
    ],
)
async def test_json_that_takes_liberties_is_400_within_a_second(house: House, text: str) -> None:
    """The one body that the gateway reads itself; the services' own are swept in tests-e2e."""
    began = time.monotonic()
    answer = await house.client.post("/api/public/validate", content=text)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert time.monotonic() - began < 1
