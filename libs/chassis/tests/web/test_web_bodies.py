"""Bodies, queries and their refusals, with the exact texts of spec 1.2."""

import json
import time
from typing import Any

import pytest

JARS = "/api/v1/jars"


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, {"name": "is required"}),
        ({"name": None}, {"name": "is required"}),
        ({"name": " \u0000\u0007 "}, {"error": "NUL in a string"}),
        ({"name": " \u0007 "}, {"name": "is required"}),
        ({"name": "a", "count": 0}, {"count": "must be at least 1"}),
        ({"name": "a", "weight_cents": -1}, {"weight_cents": "must be at least 0"}),
        ({"name": "a", "weight_cents": 10**12 + 1}, {"weight_cents": "must be at most 1000000000000"}),
        ({"name": "a" * 121}, {"name": "must be at most 120"}),
        ({"name": "a", "email": "nobody"}, {"email": "must be a valid email"}),
        ({"name": "a", "weight_cents": 1.0}, {"weight_cents": "is invalid"}),
        ({"name": "a", "weight_cents": "1"}, {"weight_cents": "is invalid"}),
        ({"name": "a", "weight_cents": True}, {"weight_cents": "is invalid"}),
        ({"name": "a", "discount": 1.23456}, {"discount": "is invalid"}),
        ({"name": "a", "store_id": "x", "price": 1}, {"store_id": "is invalid", "price": "is invalid"}),
    ],
)
async def test_each_wrong_field_has_its_text(house: Any, body: dict[str, Any], details: dict[str, str]) -> None:
    answer = await house.ask("POST", JARS, body)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    assert answer.json()["error"]["details"] == details


async def test_zero_is_a_value(house: Any) -> None:
    answer = await house.ask("POST", JARS, {"name": "free", "weight_cents": 0, "discount": 0})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": "a"} {}',
        b'{"name": "a",}',
        b'{"name": "a", "name": "b"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": 1e999}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"\\u0000": 1}',
        b"[]",
        b'"text"',
        b"",
        b"\xef\xbb\xbf{}",
        b'{"name":' + b"[" * 33 + b"]" * 33 + b"}",
        b"[" * 10_000,
        b'{"name": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_what_is_not_plain_json_is_refused_with_the_error(house: Any, raw: bytes) -> None:
    answer = await house.ask("POST", JARS, raw=raw)

    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["error"]


async def test_a_body_over_1_mib_is_413_and_cheap(house: Any) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 65_536

    headers = {"X-PF-Context": house.context("POST", JARS), "Content-Type": "application/json"}
    started = time.monotonic()

    declared = await house.ask("POST", JARS, raw=b" " * (1024 * 1024 + 1))
    chunked = await house.http.post(JARS, content=endless(), headers=headers)

    assert [declared.status_code, chunked.status_code] == [413, 413]
    assert declared.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert time.monotonic() - started < 1


async def test_another_content_type_is_no_json(house: Any) -> None:
    form = await house.ask("POST", JARS, raw=b'{"name": "a"}', headers={"Content-Type": "text/plain"})

    assert (form.status_code, form.json()["error"]["details"]) == (
        400,
        {"error": "the content type must be application/json"},
    )


@pytest.mark.parametrize(("raw", "status"), [(b"", 422), (b"{}", 422), (b'{"a": 1}', 400), (b"nonsense", 400)])
async def test_a_route_without_a_body_takes_an_empty_one(house: Any, raw: bytes, status: int) -> None:
    jar_id = await house.jar()

    answer = await house.ask("POST", f"{JARS}/{jar_id}/drop", raw=raw, key="k")

    assert answer.status_code == status


@pytest.mark.parametrize("limit", ["0", "101", "-5", "9" * 40])
async def test_query_numbers_outside_their_range_are_told_and_never_clamped(house: Any, limit: str) -> None:
    answer = await house.ask("GET", f"{JARS}?limit={limit}")

    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == {"field": "limit", "min": 1, "max": 100}


async def test_other_query_faults_name_the_field_and_unknown_ones_are_ignored(house: Any) -> None:
    word = await house.ask("GET", f"{JARS}?limit=many")
    nul = await house.ask("GET", f"{JARS}?cursor=%00")
    unknown = await house.ask("GET", f"{JARS}?colour=red&limit=1")

    assert word.json()["error"]["details"] == {"limit": "is invalid"}
    assert nul.json()["error"]["details"] == {"cursor": "is invalid"}
    assert unknown.status_code == 200
    assert set(unknown.json()["data"]) == {"items", "pagination"}


@pytest.mark.parametrize(
    "jar_id", ["1", "x" * 36, "{8603b88c-d36a-4e89-a4c1-9084bef04def}", "a46e50bc5a9f4266b45d1c2479915ba2", "%00"]
)
async def test_a_path_id_that_is_no_uuid_is_400_naming_it(house: Any, jar_id: str) -> None:
    from urllib.parse import quote, unquote

    path = f"{JARS}/{quote(unquote(jar_id))}"
    token = house.context("GET", f"{JARS}/{unquote(jar_id)}")

    answer = await house.http.get(path, headers={"X-PF-Context": token})

    assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"jar_id": "is invalid"})


async def test_100_000_combining_marks_cost_nothing(house: Any) -> None:
    started = time.monotonic()

    answer = await house.ask("POST", JARS, raw=json.dumps({"name": "a" + "\u0301\u0323" * 50_000}).encode())

    assert answer.json()["error"]["details"] == {"name": "must be at most 120"}
    assert time.monotonic() - started < 1
