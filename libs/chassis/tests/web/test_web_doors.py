"""The order of checks, the callers and the envelope at real doors."""

from typing import Any
from uuid import uuid4

import pytest

from chassis.web import Router, member
from kernel.scope import Kyc, Role, StoreType, SystemRole

OPEN_PATH = "/api/v1/jars/{}/open"


async def test_a_created_row_comes_back_in_the_envelope(house: Any) -> None:
    made = await house.ask("POST", "/api/v1/jars", {"name": "  salt\u0007 "})

    read = await house.ask("GET", f"/api/v1/jars/{made.json()['data']['id']}")

    assert made.status_code == 201
    assert read.json() == {"data": {"id": made.json()["data"]["id"], "name": "salt", "opened": 0}}
    assert read.headers["content-type"] == "application/json"


async def test_without_a_context_nothing_is_answered(house: Any) -> None:
    for method, path in (("GET", "/api/v1/me"), ("POST", "/api/v1/jars"), ("GET", f"/api/v1/jars/{uuid4()}")):
        answer = await house.http.request(method, path)

        assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "token_missing")


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/v1/me"), ("GET", "/api/v1/other"), ("GET", "/api/v1/me/")])
async def test_a_context_of_another_method_or_path_is_refused(house: Any, method: str, path: str) -> None:
    token = house.context(method, path)

    answer = await house.http.get("/api/v1/me", headers={"X-PF-Context": token})

    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "token_invalid")


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"store_id": None, "role": None}, "store_context_missing"),
        ({"role": Role.STAFF}, "role_missing"),
        ({"store_type": StoreType.BUYER}, "role_missing"),
        ({"kyc_status": Kyc.EXPIRED}, "not_verified"),
        ({"kyc_status": Kyc.SUSPENDED}, "store_suspended"),
        ({"kyc_status": None}, "not_verified"),
        ({"store_id": None, "role": None, "system_role": SystemRole.ADMIN}, "store_context_missing"),
    ],
)
async def test_a_vendor_door_names_what_is_missing(house: Any, who: dict[str, Any], reason: str) -> None:
    answer = await house.ask("POST", OPEN_PATH.format(uuid4()), key="k", **who)

    assert (answer.status_code, answer.json()["error"]["reason"]) == (403, reason)


@pytest.mark.parametrize(("path", "opener"), [("/api/v1/agent/rounds", "agent"), ("/api/v1/admin/stores", "admin")])
@pytest.mark.parametrize("role", list(Role))
async def test_member_role_never_opens_admin_or_agent_routes(house: Any, path: str, opener: str, role: Role) -> None:
    other = SystemRole.ADMIN if opener == "agent" else SystemRole.AGENT

    as_member = await house.ask("GET", path, role=role)
    as_other = await house.ask("GET", path, role=role, system_role=other)
    without_store = await house.ask("GET", path, role=None, store_id=None, system_role=SystemRole(opener))

    assert [as_member.status_code, as_other.status_code, without_store.status_code] == [403, 403, 200]


async def test_what_an_admin_door_refuses_leaves_one_denied_row_a_minute(house: Any) -> None:
    nobody = uuid4()
    for _ in range(3):
        await house.ask("GET", "/api/v1/admin/stores", user_id=nobody)
    await house.ask("GET", "/api/v1/me", user_id=nobody)

    rows = await house.run(f"select * from audit_logs where actor_user_id = '{nobody}'")

    assert [(row["action"], row["outcome"], row["payload"]["reason"]) for row in rows] == [
        ("admin.admin_stores", "denied", "role_missing")
    ]


async def test_capability_comes_before_key_and_key_before_body(house: Any) -> None:
    path = OPEN_PATH.format("no-uuid")

    forbidden = await house.ask("POST", path, role=Role.VIEWER)
    keyless = await house.ask("POST", path)
    shapeless = await house.ask("POST", path, key="k")

    assert forbidden.status_code == 403
    assert keyless.json()["error"]["details"] == {"Idempotency-Key": "is required"}
    assert shapeless.json()["error"]["details"] == {"jar_id": "is invalid"}
    assert await house.records() == []


async def test_internal_doors_open_to_the_named_services_only(house: Any) -> None:
    path, body = "/internal/v1/jars/count", {"how": "quietly", "a_field_of_next_month": 1}

    async def ask(**headers: str) -> tuple[int, Any]:
        answer = await house.http.post(path, json=body, headers=headers)
        return answer.status_code, answer.json()

    named = await ask(Authorization=f"Bearer {house.service_token('orders')}")
    other = await ask(Authorization=f"Bearer {house.service_token('catalog')}")
    elsewhere = await ask(Authorization=f"Bearer {house.service_token('orders', audience='catalog')}")
    user = await ask(**{"X-PF-Context": house.context("POST", path)})

    assert named == (200, {"data": {"service": "orders", "store_id": str(house.store_id)}})
    assert [other[0], elsewhere[0], user[0]] == [403, 401, 401]


async def test_a_bearer_door_hands_over_the_bearer_and_knows_nobody(house: Any) -> None:
    headers = {"Authorization": "Bearer of-the-client"}

    answer = await house.ask("POST", "/api/v1/refresh", headers=headers, user_id=None, store_id=None, role=None)

    assert answer.json() == {"data": {"bearer": "of-the-client", "user_id": None, "actor": "anonymous:-"}}


async def test_unknown_paths_and_methods_keep_the_envelope(house: Any) -> None:
    unknown = await house.ask("GET", "/api/v1/nothing")
    method = await house.ask("DELETE", "/api/v1/jars")
    patterned = await house.ask("PUT", f"/api/v1/jars/{uuid4()}")

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert patterned.status_code == 405


async def test_a_defect_tells_nothing_but_its_request_id(house: Any, capsys: Any) -> None:
    answer = await house.ask("POST", "/api/v1/mishaps", {"how": "crash"})

    error = answer.json()["error"]
    assert answer.status_code == 500
    assert error == {
        "code": "INTERNAL_ERROR",
        "message": "internal server error",
        "request_id": answer.headers["x-request-id"],
    }
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert "joe@example.org" not in logged


async def test_the_signed_request_id_wins_over_the_header(house: Any) -> None:
    answer = await house.ask("GET", "/api/v1/me", request_id="signed-1", headers={"X-Request-Id": "claimed-2"})

    assert answer.headers["x-request-id"] == answer.json()["data"]["request_id"] == "signed-1"


async def test_a_duplicate_is_a_conflict_that_names_the_field(house: Any) -> None:
    await house.jar("pepper")

    answer = await house.ask("POST", "/api/v1/jars", {"name": "pepper"})

    assert answer.status_code == 409
    assert (answer.json()["error"]["reason"], answer.json()["error"]["details"]) == ("duplicate", {"field": "name"})


async def test_the_deadline_ends_a_request_with_503(house: Any, gate: Any) -> None:
    jar_id = await house.jar()
    gate.shut()

    answer = await house.ask("POST", OPEN_PATH.format(jar_id), key="k", headers={"X-PF-Deadline-Ms": "80"})

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert await house.records() == []


def test_a_route_without_callers_does_not_exist() -> None:
    router = Router(prefix="/api/v1/x")

    with pytest.raises(TypeError, match="allow"):
        router.get("")


def test_internal_routes_and_only_they_take_services() -> None:
    with pytest.raises(TypeError, match="internal"):
        Router(prefix="/internal/v1").get("/x", allow=member())


def test_a_body_that_swallows_unknown_fields_is_refused_at_import() -> None:
    from pydantic import BaseModel

    class Open(BaseModel):
        name: str

    async def endpoint(body: Open) -> None: ...

    with pytest.raises(TypeError, match="unknown fields"):
        Router().post("/api/v1/x", allow=member())(endpoint)
