"""Health, metrics and the generated reference of a service."""

import json
from types import SimpleNamespace
from typing import Any

from chassis.web import create_app, door_table
from chassis.web.app import ServiceApp


async def test_ready_reports_each_dead_dependency(house: Any, monkeypatch: Any) -> None:
    async def dead() -> None:
        raise ConnectionRefusedError("10.0.0.7:5672")

    well = await house.http.get("/health/ready")
    for name in ("ping_postgres", "ping_redis", "ping_rabbitmq"):
        with monkeypatch.context() as broken:
            broken.setattr(house.floor, name, dead)
            ill = await house.http.get("/health/ready")

            assert ill.status_code == 503
            assert ill.json()["error"]["details"] == {"failures": {name.removeprefix("ping_"): "unreachable"}}
            assert "10.0.0.7" not in ill.text

    assert (well.status_code, well.json()) == (200, {"data": {"status": "ready"}})
    assert well.headers["x-pf-env"] == "test"


async def test_live_asks_nobody(house: Any) -> None:
    answer = await house.http.get("/health/live")

    assert answer.json() == {"data": {"status": "live"}}


async def test_metrics_count_by_route_pattern_and_status(house: Any) -> None:
    jar_id = await house.jar()
    await house.ask("GET", f"/api/v1/jars/{jar_id}")
    await house.http.request("BREW", "/api/v1/teapot")

    text = (await house.http.get("/metrics")).text

    assert 'http_requests_total{method="GET",route="/api/v1/jars/{jar_id}",status="200"}' in text
    assert 'method="OTHER",route="unmatched",status="404"' in text
    assert jar_id not in text


async def test_the_reference_tells_callers_key_reasons_and_failures(house: Any) -> None:
    document = (await house.http.get("/openapi.json")).json()

    operation = document["paths"]["/api/v1/jars/{jar_id}/open"]["post"]
    assert operation["x-packhouse-allow"] == {
        "who": "store",
        "roles": ["manager", "ops", "owner"],
        "store_type": "vendor",
        "verified": True,
    }
    assert operation["x-packhouse-key"] == {"policy": "required", "keep_hours": 168}
    assert [one["name"] for one in operation["parameters"]] == ["jar_id", "Idempotency-Key"]
    assert {"200", "400", "401", "403", "404", "409", "422", "429", "500", "503"} <= set(operation["responses"])
    page = document["paths"]["/api/v1/jars"]["get"]
    assert [one["name"] for one in page["parameters"]] == ["limit", "cursor", "with_total"]
    created = document["paths"]["/api/v1/jars"]["post"]
    assert "201" in created["responses"]
    assert "200" not in created["responses"]
    assert "HTTPValidationError" not in json.dumps(document)


def test_the_reference_is_the_same_every_time(pantry: Any) -> None:
    first, second = (json.dumps(ServiceApp(pantry).openapi()) for _ in range(2))

    assert first == second


def test_the_table_of_doors_holds_every_route(pantry: Any) -> None:
    rows = {(row.method, row.path): row for row in door_table(pantry)}

    assert rows["POST", "/api/v1/jars"].callers.who == "store"
    assert rows["POST", "/api/v1/register"].key.kind == "optional"
    assert rows["GET", "/internal/v1/events"].callers.who == "service"
    documented = {
        (method.upper(), path)
        for path, operations in ServiceApp(pantry).openapi()["paths"].items()
        for method in operations
    }
    assert documented == set(rows)


async def test_an_edge_of_its_own_gets_request_ids_and_the_panic_guard(house: Any, monkeypatch: Any) -> None:
    import httpx

    async def edge(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/crash":
            raise RuntimeError
        headers = [(b"x-request-id", b"upstream"), (b"x-kept", b"yes")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"mine"})

    service = SimpleNamespace(name="gateway", edge=lambda _floor: edge)
    monkeypatch.setattr(house.floor, "service", service)
    transport = httpx.ASGITransport(app=create_app(house.floor))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge") as http:
        passed = await http.get("/health/live", headers={"X-Request-Id": "mine-1"})
        malformed = await http.get("/", headers={"X-Request-Id": "two words"})
        crashed = await http.get("/crash")

    assert (passed.text, passed.headers["x-kept"]) == ("mine", "yes")
    assert passed.headers.get_list("x-request-id") == ["mine-1"]
    assert malformed.headers["x-request-id"] != "two words"
    assert crashed.status_code == 500
