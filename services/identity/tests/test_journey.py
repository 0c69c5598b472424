"""From a stranger to a signed-in owner and out again (spec 2.3)."""

from uuid import uuid4

import pytest

from contracts.identity import StoreChanged, UserChanged
from kernel.scope import Kyc, Role, StoreType
from testkit.world import World

from .people import PASSWORD, Person, a_store, an_admin, directly, registration


async def test_register_validation_login_refresh_switch_journey(world: World) -> None:
    sam = Person(world)
    registered = await sam.registers("Green Leaf", store_type="vendor")
    assert registered.status_code == 200
    data = registered.json()["data"]
    assert [store["name"] for store in data["stores"]] == ["Green Leaf"]
    assert data["active_store_id"] == data["stores"][0]["id"] == str(sam.claims.store_id)
    assert "password" not in registered.text

    second = await sam.registers("Amber Fields")
    assert second.status_code == 200
    assert len(second.json()["data"]["stores"]) == 2
    assert second.json()["data"]["active_store_id"] != data["active_store_id"]

    logged_in = await sam.logs_in()
    assert logged_in.status_code == 200
    assert logged_in.json()["data"]["active_store_id"] == second.json()["data"]["active_store_id"]
    assert logged_in.json()["data"]["must_change_password"] is False

    first_token = sam.claims
    refreshed = await sam.refreshes()
    assert refreshed.status_code == 200
    assert refreshed.json()["data"]["access_token"] == sam.token
    assert sam.claims.jti != first_token.jti
    assert sam.claims.sid == first_token.sid

    switched = await sam.does("POST", "/api/v1/auth/switch-store", {"store_id": data["active_store_id"]})
    assert switched.status_code == 200
    assert switched.json()["data"]["store_name"] == "Green Leaf"
    assert sam.claims.store_type is StoreType.VENDOR
    state = await sam.state()
    assert state is not None
    assert (str(state.store_id), state.jti) == (data["active_store_id"], sam.claims.jti)

    assert (await sam.logs_out()).json() == {"data": {"status": "logged_out"}}
    assert await sam.state() is None
    assert (await sam.refreshes()).status_code == 401


async def test_what_a_registration_says_reaches_the_other_services(world: World) -> None:
    sam = await a_store(world, store_type="vendor", dba_name="Leafy", phone="405 555 0100")
    (store,) = await world.emitted(StoreChanged)
    (user,) = await world.emitted(UserChanged)
    assert (store.store_id, store.type, store.dba_name, store.version) == (sam.claims.store_id, "vendor", "Leafy", 1)
    assert store.kyc_status is Kyc.PENDING_VERIFICATION
    assert store.owner_user_id == user.user_id == sam.claims.user_id
    answer = await world.service_caller("orders").get(f"/internal/v1/stores/{store.store_id}")
    assert StoreChanged.model_validate(answer.json()["data"]) == store


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("email", "no-address", "must be a valid email"),
        ("password", "short", "must be at least 8"),
        ("password", "x" * 129, "must be at most 128"),
        ("accept_tos", False, "is invalid"),
        ("store_type", "Vendor", "is invalid"),
        ("system_role", "admin", "is invalid"),
        ("company_name", "  ", "is required"),
    ],
)
async def test_a_wrong_registration_names_its_field(world: World, field: str, value: object, text: str) -> None:
    body = {**registration("sam@example.net"), field: value}
    answer = await Person(world).says("POST", "/api/v1/auth/register", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"] == {field: text}


async def test_a_known_email_with_another_password_is_refused(world: World) -> None:
    sam = await a_store(world)
    answer = await sam.registers("Another", password="another password")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "bad_credentials")


async def test_company_name_unique_per_state_any_case(world: World) -> None:
    await a_store(world, company_name="Green Leaf")
    taken = await Person(world).registers("  GREEN   leaf ")
    assert (taken.status_code, taken.json()["error"]["details"]) == (409, {"field": "company_name"})
    texas = {**registration("x")["address"], "state": "tx"}
    assert (await Person(world).registers("green leaf", address=texas)).status_code == 200
    other = await a_store(world, company_name="Red Leaf")
    renamed = await other.does("PATCH", "/api/v1/stores/me", {"company_name": "Green LEAF"})
    assert (renamed.status_code, renamed.json()["error"]["details"]) == (409, {"field": "company_name"})


async def test_far_away_coordinates_accepted(world: World) -> None:
    address = {**registration("x")["address"], "lat": -89.9, "lng": 179.9}
    owner = await a_store(world, address=address)
    store = (await owner.does("GET", "/api/v1/stores/me")).json()["data"]
    assert (store["address"]["lat"], store["address"]["lng"]) == (-89.9, 179.9)
    half = await Person(world).registers("Half a Point", address={**address, "lng": None})
    assert half.status_code == 400


async def test_a_repeated_registration_gets_a_fresh_session_and_no_stored_token(world: World) -> None:
    sam = Person(world)
    first = await sam.registers(key="k1")
    first_sid = sam.sid
    again = await sam.registers(key="k1")
    assert again.status_code == 200
    assert again.headers["idempotency-replayed"] == "true"
    assert sam.sid != first_sid
    assert (await sam.refreshes()).status_code == 200
    without = {"refresh_token": None}
    assert {**again.json()["data"], **without} == {**first.json()["data"], **without}
    async with world.db.reader() as db:
        stored = await db.fetchval("select convert_from(body, 'utf8') from idempotency_records where state = 'done'")
    assert "refresh_token" not in stored
    assert first.json()["data"]["refresh_token"] not in stored
    assert (await sam.registers("Other Name", key="k1")).json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_login_starts_with_the_first_store_by_name(world: World) -> None:
    sam = Person(world)
    for name in ("zebra", "Alpha", "beta"):
        assert (await sam.registers(name)).status_code == 200
    data = (await sam.logs_in()).json()["data"]
    assert [store["name"] for store in data["stores"]] == ["Alpha", "beta", "zebra"]
    assert data["active_store_id"] == data["stores"][0]["id"]
    listed = (await sam.does("GET", "/api/v1/stores/my")).json()["data"]["items"]
    assert [(item["name"], item["role"]) for item in listed] == [
        ("Alpha", "owner"), ("beta", "owner"), ("zebra", "owner"),
    ]  # fmt: skip


async def test_switching_to_a_store_of_others_looks_like_switching_to_none(world: World) -> None:
    sam, kim = await a_store(world), await a_store(world)
    foreign = await sam.does("POST", "/api/v1/auth/switch-store", {"store_id": str(kim.claims.store_id)})
    unknown = await sam.does("POST", "/api/v1/auth/switch-store", {"store_id": str(uuid4())})
    assert foreign.status_code == unknown.status_code == 403
    assert foreign.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert (await sam.state()) is not None


async def test_switch_store_keeps_system_role(world: World) -> None:
    sam = await a_store(world)
    other = (await sam.registers("Second Store")).json()["data"]["active_store_id"]
    await directly(world, "update users set system_role = 'agent' where id = $1", sam.claims.user_id)
    await sam.logs_in()
    assert (await sam.does("POST", "/api/v1/auth/switch-store", {"store_id": other})).status_code == 200
    assert (sam.claims.system_role, sam.claims.role) == ("agent", Role.OWNER)


async def test_admins_enter_by_their_own_door_and_without_a_store(world: World) -> None:
    admin = await an_admin(world)
    assert (admin.claims.store_id, admin.claims.system_role) == (None, "admin")
    owner = await a_store(world)
    refused = await owner.says("POST", "/api/v1/admin/auth/login", {"email": owner.email, "password": PASSWORD})
    assert (refused.status_code, refused.json()["error"]["reason"]) == (401, "bad_credentials")


async def test_in_production_nobody_registers_as_admin(world_in_production: World) -> None:
    body = {"email": "a@example.net", "password": PASSWORD, "first_name": "A", "last_name": "B"}
    answer = await Person(world_in_production).says("POST", "/api/v1/admin/auth/register", body)
    assert answer.status_code == 404


async def test_the_key_set_is_public_and_holds_no_private_half(world: World) -> None:
    answer = await world.caller().get("/.well-known/jwks.json")
    (key,) = answer.json()["keys"]
    assert key["crv"] == "Ed25519"
    assert "d" not in key
