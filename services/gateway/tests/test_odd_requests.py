"""Requests that two readers would understand in two ways are 400 and never become a second request (F-I4)."""

import asyncio

import pytest
from gateway_house import House, until_closed, wire

PRODUCTS = b"/api/v1/products"
SMUGGLED = b"GET /api/v1/products/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

HEADS = {
    "length and encoding": b"Content-Length: 4\r\n" + CHUNKED,
    "encoding and length": CHUNKED + b"Content-Length: 4\r\n",
    "two lengths": b"Content-Length: 4\r\nContent-Length: 5\r\n",
    "the same length twice": b"Content-Length: 5\r\nContent-Length: 5\r\n",
    "a list of lengths": b"Content-Length: 5, 5\r\n",
    "a signed length": b"Content-Length: +5\r\n",
    "a negative length": b"Content-Length: -5\r\n",
    "a hexadecimal length": b"Content-Length: 0x5\r\n",
    "an empty length": b"Content-Length:\r\n",
    "an immense length": b"Content-Length: 99999999999999999999999\r\n",
    "two encodings": CHUNKED + b"Transfer-Encoding: identity\r\n",
    "two encodings, chunked last": b"Transfer-Encoding: identity\r\n" + CHUNKED,
    "a compressed encoding": b"Transfer-Encoding: gzip, chunked\r\n",
    "an unknown encoding": b"Transfer-Encoding: xchunked\r\n",
    "a quoted encoding": b'Transfer-Encoding: "chunked"\r\n',
    "an encoding behind a control character": b"Transfer-Encoding:\x0bchunked\r\n",
    "a blank before the colon": b"Transfer-Encoding : chunked\r\n",
    "a folded line": b"A: b\r\n c\r\n",
    "a bare line feed": b"A: b\nContent-Length: 5\r\n",
    "a bare carriage return": b"A: b\rContent-Length: 5\r\n",
    "a NUL in a value": b"A: b\x00c\r\n",
    "a NUL in a name": b"A\x00: b\r\n",
    "a control character": b"A: b\x01c\r\n",
    "a name with a blank": b"A b: c\r\n",
    "a line without a colon": b"nothing\r\n",
    "no name": b": b\r\n",
    "two hosts": b"Host: y\r\n",
    "65 headers": b"".join(b"A%d: b\r\n" % number for number in range(65)),
    "16 KiB in one header": b"A: " + b"b" * 16 * 1024 + b"\r\n",
    "16 KiB in many headers": b"".join(b"A%d: %b\r\n" % (number, b"b" * 400) for number in range(50)),
    "a header without end": b"A: " + b"b" * 1_000_000,
    "two keys": b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
    "two types": b"Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    "two origins": b"Origin: https://a.example\r\nOrigin: https://b.example\r\n",
}

LINES = {
    "an absolute address": b"GET http://x/api/v1/products HTTP/1.1",
    "an absolute address of another": b"GET http://evil.example/api/v1/products HTTP/1.1",
    "an authority": b"CONNECT x:80 HTTP/1.1",
    "a star": b"OPTIONS * HTTP/1.1",
    "a fragment": b"GET /api/v1/products#x HTTP/1.1",
    "two paths": b"GET /api/v1/products /api/v1/orders HTTP/1.1",
    "a tab": b"GET\t/api/v1/products HTTP/1.1",
    "a NUL": b"GET /api/v1/products\x00 HTTP/1.1",
    "an encoded NUL": b"GET /api/v1/products%00 HTTP/1.1",
    "a byte that is no text": b"GET /api/v1/products\xff HTTP/1.1",
    "an encoded slash": b"GET /api/v1%2fproducts HTTP/1.1",
    "dots": b"GET /api/v1/orders/../products HTTP/1.1",
    "encoded dots": b"GET /api/v1/orders/%2e%2e/products HTTP/1.1",
    "a backslash": b"GET /api/v1/orders\\products HTTP/1.1",
    "an encoded line end": b"GET /api/v1/products%0d%0aX-Evil:%201 HTTP/1.1",
    "an unknown method": b"FETCH /api/v1/products HTTP/1.1",
    "a method in small letters": b"get /api/v1/products HTTP/1.1",
    "HTTP/0.9": b"GET /api/v1/products",
    "HTTP/1.2": b"GET /api/v1/products HTTP/1.2",
    "HTTP/2 without asking": b"GET /api/v1/products HTTP/2.0",
    "the preface of HTTP/2": b"PRI * HTTP/2.0",
}

CHUNKS = {
    "no number": b"zz\r\nx\r\n0\r\n\r\n",
    "a negative number": b"-1\r\nx\r\n0\r\n\r\n",
    "a prefixed number": b"0x1\r\nx\r\n0\r\n\r\n",
    "an immense number": b"ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
    "bare line feeds": b"1\nx\n0\n\n",
    "a bare line feed behind the data": b"1\r\nx\n0\r\n\r\n",
    "an extension without end": b"1;" + b"e" * 200_000,
    "a trailer without end": b"1\r\nx\r\n0\r\nA: " + b"b" * 200_000,
}

UNLISTED = [
    "/redoc",
    "/docs/oauth2-redirect",
    "/server-status",
    "/.git/config",
    "/.env",
    "/internal/v1/events",
    "/api/v1/metrics",
    "/api/v1/docs",
    "/api/v1/openapi.json",
    "/metrics/",
    "/debug/pprof",
]


async def answers_to(house: House, sent: bytes) -> bytes:
    async with wire(house) as (reader, writer), asyncio.timeout(5):
        writer.write(sent)
        return await until_closed(reader)


def is_refused_once(house: House, answers: bytes) -> bool:
    """One answer, 400 in the envelope, on a connection that ends; nobody behind the gateway saw anything."""
    head, _, body = answers.partition(b"\r\n\r\n")
    is_alone = answers.count(b"HTTP/1.1 ") == 1 and not house.catalog.seen and not house.identity.seen
    is_ours = b'"code":"VALIDATION_ERROR"' in body and b'"details":{' in body and b"x-request-id: " in head
    return head.startswith(b"HTTP/1.1 400 ") and is_alone and is_ours and b"x-content-type-options" in head


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_a_head_with_two_meanings_is_400(shared_house: House, name: str, method: bytes) -> None:
    bearer = shared_house.signed(await shared_house.session())["Authorization"].encode()
    head = b"%b %b HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n" % (method, PRODUCTS, bearer)
    answers = await answers_to(shared_house, head + HEADS[name] + b"\r\n0\r\n\r\n" + SMUGGLED)
    assert is_refused_once(shared_house, answers), answers[:500]


@pytest.mark.parametrize("name", LINES)
async def test_a_request_line_with_two_meanings_is_400(shared_house: House, name: str) -> None:
    bearer = shared_house.signed(await shared_house.session())["Authorization"].encode()
    request = b"%b\r\nHost: x\r\nConnection: close\r\nAuthorization: %b\r\n\r\n" % (LINES[name], bearer)
    answers = await answers_to(shared_house, request + SMUGGLED)
    assert is_refused_once(shared_house, answers), answers[:500]


@pytest.mark.parametrize("name", CHUNKS)
async def test_a_chunk_with_two_meanings_is_400(shared_house: House, name: str) -> None:
    bearer = shared_house.signed(await shared_house.session())["Authorization"].encode()
    head = b"POST %b HTTP/1.1\r\nHost: x\r\n%bAuthorization: %b\r\n\r\n" % (PRODUCTS, CHUNKED, bearer)
    answers = await answers_to(shared_house, head + CHUNKS[name] + SMUGGLED)
    assert is_refused_once(shared_house, answers), answers[:500]


@pytest.mark.parametrize("head", [b"GET /health/live HTTP/1.1\r\n\r\n", b"POST / HTTP/1.0\r\nHost: x\r\n" + CHUNKED])
async def test_a_missing_host_and_chunks_of_the_old_version_are_400(shared_house: House, head: bytes) -> None:
    assert is_refused_once(shared_house, await answers_to(shared_house, head + b"\r\n0\r\n\r\n"))


async def test_what_follows_the_last_request_of_a_connection_is_no_request(house: House) -> None:
    bearer = house.signed(await house.session())["Authorization"].encode()
    for last in (b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n"):
        head = b"GET %b HTTP/1.1\r\nHost: x\r\n%bAuthorization: %b\r\n\r\n" % (PRODUCTS, last, bearer)
        answers = await answers_to(
            house, head + SMUGGLED.replace(b"\r\n\r\n", b"\r\nAuthorization: %b\r\n\r\n" % bearer)
        )
        assert answers.count(b"HTTP/1.1 200 OK") == answers.count(b"HTTP/1.1 ") == 1
    assert {seen.path for seen in house.catalog.seen} == {PRODUCTS.decode()}


async def test_garbage_behind_a_request_ends_the_connection_after_its_answer(house: House) -> None:
    bearer = house.signed(await house.session())["Authorization"].encode()
    head = b"GET %b HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n\r\n" % (PRODUCTS, bearer)
    answers = await answers_to(house, head + b"\x16\x03\x01 nonsense\r\n\r\n" + SMUGGLED)
    assert answers.startswith(b"HTTP/1.1 200 OK")
    assert answers.count(b"HTTP/1.1 ") == 1


async def test_trailers_are_nobodys_headers(house: House) -> None:
    bearer = house.signed(await house.session())["Authorization"].encode()
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%bAuthorization: %b\r\n\r\n" % (
        PRODUCTS,
        CHUNKED,
        bearer,
    )
    trailers = b"X-Late: 1\r\nIdempotency-Key: late\r\nContent-Encoding: gzip\r\n"
    answers = await answers_to(house, head + b"1\r\nx\r\n0\r\n" + trailers + b"\r\n")
    assert answers.startswith(b"HTTP/1.1 200 OK")
    seen = house.catalog.seen[-1]
    assert seen.body == b"x"
    assert [seen.header(name) for name in ("X-Late", "Idempotency-Key", "Content-Encoding")] == [None, None, None]


async def test_methods_that_nobody_serves_are_405_and_echo_nothing(house: House) -> None:
    for method in (b"TRACE", b"PROPFIND", b"LINK", b"PURGE"):
        request = b"%b %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Secret: hush\r\n\r\n" % (method, PRODUCTS)
        answers = await answers_to(house, request)
        assert answers.startswith(b"HTTP/1.1 405 "), answers
        assert b"hush" not in answers
    assert not house.catalog.seen


@pytest.mark.parametrize("path", UNLISTED)
async def test_nothing_is_exposed_that_is_not_listed(house: House, path: str) -> None:
    state = await house.session()
    answer = await house.get(path, state)
    assert answer.status_code == 404
    assert not house.catalog.seen
    assert not house.identity.seen
