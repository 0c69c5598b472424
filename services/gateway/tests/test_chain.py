"""Who gets through, in the order of spec 1.6."""

from typing import Any

import pytest
from gateway_house import House, raw_request

from kernel.scope import Kyc, Role, StoreType, SystemRole

PRODUCTS = "/api/v1/products"
ADMIN_ALIASES = ["/api/v1/admin/stores/x", "/api/admin/v1/stores/x", "/api/admin/stores/x"]


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    return response.status_code, error["code"], error.get("reason")


async def test_a_signed_in_member_reaches_the_service_with_the_scope_of_the_session(house: House) -> None:
    state = await house.session(role=Role.MANAGER, store_type=StoreType.VENDOR, kyc_status=Kyc.EXPIRED)
    response = await house.get(f"{PRODUCTS}?q=flower&limit=5", state, **{"X-Request-Id": "abc-123"})
    assert response.status_code == 200
    assert response.headers["x-pf-token"] == "fresh"
    assert response.headers["x-request-id"] == "abc-123"
    seen = house.catalog.seen[-1]
    assert (seen.path, seen.query, seen.header("X-Request-Id")) == (PRODUCTS, "q=flower&limit=5", "abc-123")
    context = seen.context
    assert (context.user_id, context.sid, context.store_id) == (state.user_id, state.sid, state.store_id)
    assert (context.role, context.store_type, context.kyc_status) == (Role.MANAGER, StoreType.VENDOR, Kyc.EXPIRED)
    assert context.request_id == "abc-123"
    assert seen.header("Authorization") is None
    assert 0 < int(seen.header("X-PF-Deadline-Ms") or 0) <= 12_000


async def test_unknown_api_path_401_then_404(house: House) -> None:
    unknown = ["/api/v1/nothing", "/api/nothing", "/api", "/api/v1/productsx", "/api/v1/orders", "/api/v2/products"]
    state = await house.session()
    for path in unknown:
        assert refusal(await house.get(path)) == (401, "UNAUTHORIZED", "token_missing")
        assert refusal(await house.get(path, state)) == (404, "NOT_FOUND", None), path
    assert not house.catalog.seen


@pytest.mark.parametrize("path", ["/", "/nothing", "/internal/v1/sessions/x", "/docs/nothing", "/apix"])
async def test_outside_of_api_there_is_nothing_but_the_gateways_own(house: House, path: str) -> None:
    assert refusal(await house.get(path, await house.session())) == (404, "NOT_FOUND", None)


async def test_a_refused_token_says_why(house: House) -> None:
    state = await house.session()
    cases = {
        None: "token_missing",
        "Basic abc": "token_missing",
        "Bearer abc": "token_invalid",
        f"Bearer {house.token(state, now=1_000_000)}": "token_expired",
        f"Bearer {house.token(state)}x": "token_invalid",
    }
    for header, reason in cases.items():
        response = await house.client.get(PRODUCTS, headers={"Authorization": header} if header else {})
        assert refusal(response) == (401, "UNAUTHORIZED", reason)
        assert response.headers["www-authenticate"] == "Bearer"


async def test_two_authorization_headers_are_nobodys(house: House) -> None:
    bearer = house.signed(await house.session())["Authorization"]
    response = await house.client.get(PRODUCTS, headers=[("Authorization", bearer), ("Authorization", bearer)])
    assert refusal(response) == (401, "UNAUTHORIZED", "token_invalid")


async def test_a_superseded_jti_is_a_revoked_session(house: House) -> None:
    state = await house.session()
    response = await house.client.get(
        PRODUCTS, headers={"Authorization": f"Bearer {house.token(state, jti='another')}"}
    )
    assert refusal(response) == (401, "UNAUTHORIZED", "session_revoked")


@pytest.mark.parametrize("lie", [{"role": Role.OWNER}, {"system_role": SystemRole.ADMIN}, {"store_type": "vendor"}])
async def test_claims_that_disagree_with_the_session_are_refused(house: House, lie: dict[str, Any]) -> None:
    state = await house.session(role=Role.VIEWER)
    response = await house.client.get(PRODUCTS, headers={"Authorization": f"Bearer {house.token(state, **lie)}"})
    assert refusal(response) == (401, "UNAUTHORIZED", "session_revoked")


async def test_a_missing_active_store_is_403_except_where_none_is_needed(house: House) -> None:
    state = await house.without_store()
    for path in (PRODUCTS, "/api/v1/stores/me", "/api/v1/stores/vendors", "/api/v1/stores/me/users", "/api/ping"):
        response = await house.get(path, state)
        assert refusal(response) == (403, "FORBIDDEN", "store_context_missing"), path
        assert response.json()["error"]["message"] == "store context missing"
    for path in ("/api/v1/stores/my", "/api/v1/stores/0192", "/api/v1/auth/switch-store", "/api/v1/ping"):
        assert (await house.get(path, state)).status_code == 200, path


async def test_aliases_have_the_same_guards(house: House) -> None:
    member, agent, admin = (
        await house.session(),
        await house.without_store(system_role=SystemRole.AGENT),
        await house.admin(),
    )
    for path in ADMIN_ALIASES:
        assert refusal(await house.get(path))[0] == 401, path
        for other in (member, agent):
            assert refusal(await house.get(path, other)) == (403, "FORBIDDEN", "role_missing"), path
        assert (await house.get(path, admin)).status_code == 200, path
        seen = house.identity.seen[-1]
        assert seen.path == "/api/v1/admin/stores/x"
        assert seen.context.system_role is SystemRole.ADMIN


async def test_member_role_never_opens_admin_or_agent_routes(house: House) -> None:
    for role in Role:
        state = await house.session(role=role, store_type=StoreType.VENDOR)
        for path in (*ADMIN_ALIASES, "/api/v1/agent/assignments", "/api/v1/admin/nothing", "/api/v1/admin/ping"):
            assert refusal(await house.get(path, state)) == (403, "FORBIDDEN", "role_missing"), (role, path)
    assert not house.identity.seen


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/%61dmin/stores/x",
        "/api/v1/admin%2fstores/x",
        "/api/v1/products/../admin/stores/x",
        "/api/v1/products/%2e%2e/admin/stores",
        "/api/v1//admin/stores/x",
        "/api/v1/./admin/stores/x",
        "/api/v1\\admin\\stores",
        "/api/v1/admin/stores/x%00",
        "/api/v1/%2561dmin/stores",
        "/api/v1/products/%ff",
        "/api/v1/products/%zz",
        "/api/v1/admin/stores/..%5cx",
    ],
)
async def test_no_other_spelling_of_a_path_gets_around_a_guard(house: House, path: str) -> None:
    """The target goes out as it is written, which an HTTP client library would not do."""
    state = await house.session()
    head = await raw_request(house, f"GET {path} HTTP/1.1", house.signed(state))
    assert head.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403")), head
    assert not house.identity.seen
    assert not house.catalog.seen


async def test_an_encoded_letter_in_a_path_reaches_the_service_as_one_spelling(house: House) -> None:
    head = await raw_request(house, "GET /api/v1/%70roducts/%C3%A9%20x HTTP/1.1", house.signed(await house.session()))
    assert head.startswith(b"HTTP/1.1 200"), head
    assert house.catalog.seen[-1].path == "/api/v1/products/%C3%A9%20x"
    assert house.catalog.seen[-1].context.user_id


async def test_only_a_new_password_is_open_while_one_is_due(house: House) -> None:
    state = await house.session(must_change_password=True)
    for path in (PRODUCTS, "/api/v1/ping", "/api/v1/stores/my", "/api/v1/auth/switch-store"):
        assert refusal(await house.get(path, state)) == (403, "FORBIDDEN", "must_change_password"), path
    for path in ("update-password", "refresh", "logout"):
        assert (await house.client.post(f"/api/v1/auth/{path}", headers=house.signed(state))).status_code == 200


async def test_anonymous_routes_get_a_context_without_a_user_and_keep_the_bearer_only_where_it_is_read(
    house: House,
) -> None:
    for name in ("register", "login", "accept-invite", "forgot-password", "reset-password", "refresh", "logout"):
        response = await house.client.post(f"/api/v1/auth/{name}", json={}, headers={"Authorization": "Bearer old"})
        assert response.status_code == 200, name
        seen = house.identity.seen[-1]
        assert (seen.context.user_id, seen.context.store_id) == (None, None)
        assert seen.header("Authorization") == ("Bearer old" if name in {"refresh", "logout"} else None)
    for path in ("/api/v1/admin/auth/login", "/api/v1/admin/auth/register", "/api/admin/auth/login"):
        assert (await house.client.post(path, json={})).status_code == 200


async def test_methods_nobody_uses_are_405(house: House) -> None:
    for method in ("TRACE", "PROPFIND", "CONNECT"):
        head = await raw_request(house, f"{method} /api/v1/products HTTP/1.1", {})
        assert not head.startswith(b"HTTP/1.1 2"), head
    assert not house.catalog.seen
