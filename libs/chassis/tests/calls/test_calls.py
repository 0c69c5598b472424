"""Calls between services: an answer, the other side's refusal, or Unavailable, within the limits of spec 1.10."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from chassis.auth import SigningKey, Trust, init_keys, key_path, trust_path, verify_service_token
from chassis.calls import Calls, OnBehalf, ServiceClient
from chassis.telemetry import continue_trace
from contracts.event import Wire
from kernel.refusal import (
    Conflict,
    Forbidden,
    Invalid,
    KeyReused,
    NotFound,
    RateLimited,
    Refusal,
    StateConflict,
    Unavailable,
)
from testkit.proxy import ChaosProxy

ME = OnBehalf(request_id="r-9", user_id=uuid4(), store_id=uuid4())


class Stock(Wire):
    available_qty: int


@dataclass
class Warehouse:
    """A service that answers what the test lays before it, one answer per request; the last one stays."""

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=lambda: [(200, {"data": {"available_qty": 3}})])
    seconds: float = 0.0
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.read())
        await asyncio.sleep(self.seconds)
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        headers = {"Retry-After": "7"} if status in {409, 429} else {}
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text="" if status == 204 else text, headers=headers)

    def refuses(self, status: int, code: str, **more: Any) -> None:
        self.answers = [(status, {"error": {"code": code, "message": "no", "request_id": "x", **more}})]


@pytest.fixture
async def warehouse() -> AsyncIterator[Warehouse]:
    house = Warehouse()
    runner = web.ServerRunner(web.Server(house.handle), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    house.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield house
    await runner.cleanup()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    init_keys(directory, ("orders", "catalog"))
    return directory


@pytest.fixture
async def calls(keys: Path) -> AsyncIterator[Calls]:
    calls = Calls("orders", SigningKey.load(key_path(keys, "orders")))
    yield calls
    await calls.close()


@pytest.fixture
def client(calls: Calls, warehouse: Warehouse) -> ServiceClient:
    return calls.to("catalog", warehouse.url)


async def test_a_read_answers_the_model_and_passes_who_asks_on(
    client: ServiceClient, warehouse: Warehouse, keys: Path
) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with continue_trace(trace, "test"):
        stock = await client.read("/internal/v1/stock", params={"product": 7}, model=Stock, context=ME)

    assert stock == Stock(available_qty=3)
    request = warehouse.asked[0]
    assert request.query == {"product": "7"}
    assert request.headers["X-Request-Id"] == "r-9"
    assert request.headers["traceparent"].split("-")[1] == trace.split("-")[1]
    assert 0 < int(request.headers["X-PF-Deadline-Ms"]) <= 500
    token = request.headers["Authorization"].removeprefix("Bearer ")
    caller = verify_service_token(Trust(trust_path(keys)), token, audience="catalog")
    assert (caller.name, caller.act_user_id, caller.act_store_id) == ("orders", ME.user_id, ME.store_id)


async def test_an_answer_may_have_fields_the_asker_does_not_know(client: ServiceClient, warehouse: Warehouse) -> None:
    warehouse.answers = [(200, {"data": {"available_qty": 1, "colour": "green"}})]
    assert await client.read("/x", model=Stock, context=ME) == Stock(available_qty=1)


async def test_a_command_is_repeated_once_with_the_same_key_and_body(
    client: ServiceClient, warehouse: Warehouse
) -> None:
    failed = {"error": {"code": "INTERNAL_ERROR", "message": "x"}}
    warehouse.answers = [(500, failed), (200, {"data": {"available_qty": 3}})]
    await client.command("/internal/v1/reservations", {"qty": 2}, model=Stock, context=ME)

    first, second = warehouse.asked
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert warehouse.bodies == [b'{"qty":2}'] * 2


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "VALIDATION_ERROR", Invalid),
        (403, "FORBIDDEN", Forbidden),
        (404, "NOT_FOUND", NotFound),
        (409, "CONFLICT", Conflict),
        (409, "IDEMPOTENCY_KEY_REUSED", KeyReused),
        (422, "STATE_CONFLICT", StateConflict),
        (429, "RATE_LIMIT_EXCEEDED", RateLimited),
    ],
)
async def test_a_refusal_of_the_other_side_is_raised_as_it_was_refused(
    client: ServiceClient, warehouse: Warehouse, status: int, code: str, kind: type[Refusal]
) -> None:
    warehouse.refuses(status, code, reason="because", details={"why": 1})

    with pytest.raises(kind) as raised:
        await client.command("/x", {}, context=ME)

    refusal = raised.value
    assert (refusal.reason, refusal.message, refusal.details) == ("because", "no", {"why": 1})
    assert refusal.retry_after == (7 if status in {409, 429} else None)
    assert len(warehouse.asked) == 1, "a refusal is an answer, and is not asked for twice"


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"error": {"code": "INTERNAL_ERROR", "message": "x"}}),
        (503, {"error": {"code": "DEPENDENCY_ERROR", "message": "x", "details": {"service": "database"}}}),
        (401, {"error": {"code": "UNAUTHORIZED", "message": "x"}}),
        (409, {"error": {"code": "CONFLICT", "reason": "request_in_progress", "message": "x"}}),
        (502, "<html>"),
        (200, "not json"),
        (200, {"data": {"available_qty": "many"}}),
        (302, ""),
    ],
)
async def test_anything_else_is_unavailable_with_the_name_of_the_service(
    client: ServiceClient, warehouse: Warehouse, answer: tuple[int, Any]
) -> None:
    warehouse.answers = [answer]

    with pytest.raises(Unavailable) as raised:
        await client.read("/x", model=Stock, context=ME)

    assert raised.value.details == {"service": "catalog"}


async def test_a_read_waits_half_a_second_and_a_command_two(client: ServiceClient, warehouse: Warehouse) -> None:
    warehouse.seconds = 0.7
    assert await client.command("/x", {}, context=ME) == {"available_qty": 3}
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await client.read("/x", context=ME)

    assert 1.0 <= time.monotonic() - started < 1.5, "two attempts of half a second"


async def test_no_call_lasts_longer_than_its_limit_in_all(client: ServiceClient, warehouse: Warehouse) -> None:
    warehouse.seconds = 30
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await client.command("/x", {}, context=ME)

    assert 4.0 <= time.monotonic() - started <= 4.6


async def test_a_call_ends_with_the_deadline_of_whoever_waits(client: ServiceClient, warehouse: Warehouse) -> None:
    warehouse.seconds = 30
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await client.command("/x", {}, context=OnBehalf(deadline=time.monotonic() + 0.3))
    assert time.monotonic() - started < 0.5
    assert int(warehouse.asked[0].headers["X-PF-Deadline-Ms"]) <= 300

    with pytest.raises(Unavailable):
        await client.command("/x", {}, context=OnBehalf(deadline=time.monotonic()))
    assert len(warehouse.asked) == 1, "no call is started that cannot be finished"


async def test_a_host_that_swallows_everything_costs_no_more_than_the_limit(calls: Calls, warehouse: Warehouse) -> None:
    async with ChaosProxy("127.0.0.1", int(warehouse.url.rpartition(":")[2])) as proxy:
        proxy.faults.black_hole = "both"
        client, started = calls.to("catalog", f"http://127.0.0.1:{proxy.port}"), time.monotonic()
        with pytest.raises(Unavailable):
            await client.read("/x", context=ME)

        assert time.monotonic() - started < 1.5


async def test_several_addresses_are_used_in_turn_and_a_dead_one_costs_one_retry(
    calls: Calls, warehouse: Warehouse
) -> None:
    client = calls.to("catalog", f"http://127.0.0.1:9,{warehouse.url}/ , {warehouse.url}")
    for _ in range(6):
        assert await client.read("/x", model=Stock, context=ME) == Stock(available_qty=3)


async def test_no_content_is_none(client: ServiceClient, warehouse: Warehouse) -> None:
    warehouse.answers = [(204, "")]
    assert await client.command("/x", context=ME) is None
