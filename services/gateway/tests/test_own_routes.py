"""The routes of spec 11 that the gateway answers itself."""

import asyncio
from pathlib import Path

import pytest
from gateway_house import House, opened

from chassis.auth import public_keys
from gateway.domain.routes import SERVICES, RouteTable
from kernel.scope import SystemRole


async def test_pings_tell_how_far_a_session_reaches(house: House) -> None:
    state, storeless, admin = await house.session(), await house.without_store(), await house.admin()
    assert (await house.get("/api/public/ping")).json() == {"data": {"scope": "public", "status": "ok"}}
    assert (await house.get("/api/v1/ping")).status_code == 401
    for known in (state, storeless, admin):
        assert (await house.get("/api/v1/ping", known)).json() == {"data": {"scope": "api", "status": "ok"}}
    assert (await house.get("/api/ping", state)).json()["data"] == {"scope": "store", "store_id": str(state.store_id)}
    assert (await house.get("/api/ping", storeless)).status_code == 403
    for path in ("/api/v1/admin/ping", "/api/admin/ping", "/api/admin/v1/ping"):
        assert (await house.get(path, admin)).json()["data"]["scope"] == "admin"
        assert (await house.get(path, state)).status_code == 403
        assert (await house.get(path)).status_code == 401
    assert (await house.get("/api/v1/ping", await house.without_store(system_role=SystemRole.AGENT))).status_code == 200
    assert (await house.client.post("/api/v1/ping", headers=house.signed(state))).status_code == 405


async def test_public_validate_echoes_what_is_right_and_names_what_is_wrong(house: House) -> None:
    body = {"name": " Ann ", "email": "Ann@Example.com ", "limit": 5}
    echoed = await house.client.post("/api/public/validate", json=body)
    assert (echoed.status_code, echoed.json()["data"]) == (200, {"name": "Ann", "email": "ann@example.com", "limit": 5})
    wrong = {
        '{"name": "", "email": "x", "limit": 101}': {
            "name": "is required",
            "email": "must be a valid email",
            "limit": "must be at most 100",
        },
        '{"name": "a", "email": "a@b.co", "more": 1}': {"more": "is invalid"},
        '{"email": "a@b.co"}': {"name": "is required"},
    }
    for text, details in wrong.items():
        answer = await house.client.post("/api/public/validate", content=text)
        assert (answer.status_code, answer.json()["error"]["details"]) == (400, details)
    for text in ("{", '{"name": "a"} x', '{"name": NaN}', ""):
        answer = await house.client.post("/api/public/validate", content=text)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert (await house.client.get("/api/public/validate")).status_code == 405


async def test_the_key_set_is_identitys_and_holds_public_halves_only(house: House) -> None:
    answer = await house.get("/.well-known/jwks.json")
    assert set(public_keys(answer.json())) == {house.identity.key.kid}
    assert house.identity.key.private_jwk()["d"] not in answer.text
    await house.get("/.well-known/jwks.json")
    assert house.identity.key_fetches == 1


async def test_ready_reports_each_dead_dependency(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.clients.health.KEPT_SECONDS", 0.05)
    ready = await house.get("/health/ready")
    assert (ready.status_code, ready.json()["data"], ready.headers["x-pf-env"]) == (200, {"status": "ready"}, "test")
    await house.catalog.stop()
    house.redis_road.faults.refuse = True
    house.redis_road.reset()
    await asyncio.sleep(0.1)
    broken = await house.get("/health/ready")
    assert broken.status_code == 503
    assert broken.json()["error"]["details"]["failures"] == {"redis": "unavailable", "catalog": "unavailable"}
    assert broken.headers["x-pf-env"] == "test"
    live = await house.get("/health/live")
    assert (live.status_code, live.json()["data"]) == (200, {"status": "live"})


async def test_readiness_is_asked_of_services_every_two_seconds_at_most(house: House) -> None:
    await house.get("/health/ready")
    await house.catalog.stop()
    assert (await house.get("/health/ready")).status_code == 200


async def test_one_reference_of_all_services_without_internal_routes(house: House) -> None:
    document = (await house.get("/openapi.json")).json()
    assert {"/api/v1/catalog-things", "/api/v1/identity-things", "/api/v1/ping"} <= set(document["paths"])
    assert not [path for path in document["paths"] if not path.startswith("/api/")]
    assert document["x-missing"] == []
    schemas = document["components"]["schemas"]
    titles = set()
    for service in ("catalog", "identity"):
        operation = document["paths"][f"/api/v1/{service}-things"]["get"]
        name = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        titles.add(schemas[name]["title"])
    assert titles == {"catalog", "identity"}


async def test_the_reference_names_a_service_that_is_away_and_asks_again(house: House) -> None:
    await house.catalog.stop()
    assert (await house.get("/openapi.json")).json()["x-missing"] == ["catalog"]
    await house.catalog.start()
    assert (await house.get("/openapi.json")).json()["x-missing"] == []


async def test_metrics_are_for_machines_of_the_house_only(house: House, tmp_path: Path, redis_url: str) -> None:
    assert "http_requests_total" in (await house.get("/metrics")).text
    async with opened(tmp_path, redis_url, metrics_networks=["10.0.0.0/8"]) as elsewhere:
        assert (await elsewhere.get("/metrics")).status_code == 404


async def test_the_gateway_logs_routes_and_no_ids_of_paths(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    state = await house.session()
    await house.get("/api/v1/products/0192f000-0000-7000-8000-00000000abcd?q=secret", state)
    lines = [line for line in capsys.readouterr().out.splitlines() if "request." in line]
    assert lines
    assert all('"route":"/api/v1/products"' in line for line in lines)
    assert str(state.user_id) in lines[-1]
    assert "abcd" not in "".join(lines)
    assert "secret" not in "".join(lines)


def test_every_row_belongs_to_one_service_and_the_longest_row_wins() -> None:
    table = RouteTable(frozenset(SERVICES))
    rows = [route.row for route in table.routes]
    assert len(rows) == len(set(rows))
    expected = {
        "/api/v1/auth/login": "identity",
        "/api/v1/stores/0192/x": "identity",
        "/api/v1/admin/stores/0192/standing": "identity",
        "/api/v1/admin/users/0192/reset-password": "identity",
        "/api/v1/products": "catalog",
        "/api/v1/vendor/products/0192": "catalog",
        "/api/v1/inventory": "catalog",
        "/api/v1/vendor/orders/0192/decision": "orders",
        "/api/v1/admin/orders/0192/cancel": "orders",
        "/api/v1/checkout/0192/confirmation": "orders",
    }
    for path, service in expected.items():
        found = table.find(path)
        assert found is not None, path
        assert found.service == service, path
    for path in ("/api/v1/product", "/api/v1/admin/orders/0192", "/api/v1/vendor", "/api/v1", "/products"):
        assert table.find(path) is None, path
    assert RouteTable(frozenset({"identity"})).find("/api/v1/products") is None
