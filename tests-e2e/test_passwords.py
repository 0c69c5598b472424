"""After another password, an admin's reset or a lock-out no older token opens anything (F-A3, F-A9, F-A11)."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
from markets import Market
from passes import claims_of
from sweeps import PROMISED_SECONDS, SWEPT, still_open_after_a_second

from packhouse.actors import PASSWORD, Admin, Buyer, Member, Visitor
from packhouse.eventually import eventually
from packhouse.stack import Stack

NEW = f"new {PASSWORD}"
STORE = "/api/v1/stores/me"


@pytest.fixture
async def buyer(http: httpx.AsyncClient) -> Buyer:
    newcomer = Buyer(http, f"Passwords {uuid4().hex[:12]}")
    (await newcomer.registers()).expect(200)
    (await newcomer.get(STORE)).expect(200)
    return newcomer


@pytest.fixture
async def admin(http: httpx.AsyncClient) -> Admin:
    house = Admin(http, email=f"admin-{uuid4().hex[:12]}@example.net")
    (await house.registers()).expect(201)
    (await house.logs_in()).expect(200)
    return house


async def signed_in(member: Member, password: str = PASSWORD) -> Visitor:
    """The same person at another client."""
    visitor = Visitor(member.http, email=member.email)
    (await visitor.logs_in(password)).expect(200)
    return visitor


async def changes_it_elsewhere(buyer: Buyer, _admin: Admin, _stack: Stack) -> None:
    elsewhere = await signed_in(buyer)
    body = {"old_password": PASSWORD, "new_password": NEW}
    (await elsewhere.post("/api/v1/auth/update-password", body)).expect(200)
    (await elsewhere.get(STORE)).expect(200)


async def has_forgotten_it(buyer: Buyer, _admin: Admin, _stack: Stack) -> None:
    nobody = Visitor(buyer.http)
    token = (await nobody.post("/api/v1/auth/forgot-password", {"email": buyer.email})).expect(202)["reset_token"]
    (await nobody.post("/api/v1/auth/reset-password", {"token": token, "password": NEW})).expect(200)


async def is_given_another(buyer: Buyer, admin: Admin, _stack: Stack) -> None:
    user_id = claims_of(str(buyer.token))["sub"]
    (await admin.post(f"/api/v1/admin/users/{user_id}/reset-password")).expect(200)


async def is_locked_out(buyer: Buyer, _admin: Admin, stack: Stack) -> None:
    stack.run("identity", "deactivate-user", buyer.email)


async def goes_to_another_store(buyer: Buyer, _admin: Admin, _stack: Stack) -> None:
    """In the same session: only its former token is over (F-A9)."""
    present = Buyer(buyer.http, f"Second {uuid4().hex[:12]}", email=buyer.email)
    store_id = (await present.registers()).expect(200)["active_store_id"]
    present.token = buyer.token
    (await present.post("/api/v1/auth/switch-store", {"store_id": store_id})).expect(200)
    assert present.token != buyer.token
    (await present.get(STORE)).expect(200)


@pytest.mark.parametrize(
    "ends", [changes_it_elsewhere, has_forgotten_it, is_given_another, is_locked_out, goes_to_another_store]
)
async def test_the_old_token_opens_no_operation_within_a_second(
    http: httpx.AsyncClient,
    buyer: Buyer,
    admin: Admin,
    stack: Stack,
    ends: Callable[[Buyer, Admin, Stack], Awaitable[None]],
) -> None:
    await ends(buyer, admin, stack)
    assert not await still_open_after_a_second(http, str(buyer.token))
    print(f"{ends.__name__}: {len(SWEPT)} operations refuse the old token after {PROMISED_SECONDS:.0f} s")


async def test_a_temporary_password_opens_nothing_but_the_way_to_another_one(
    http: httpx.AsyncClient, buyer: Buyer, admin: Admin
) -> None:
    user_id = claims_of(str(buyer.token))["sub"]
    given = (await admin.post(f"/api/v1/admin/users/{user_id}/reset-password")).expect(200)
    visitor = await signed_in(buyer, given["temporary_password"])
    update = "/api/v1/auth/update-password"
    headers = {"Authorization": f"Bearer {visitor.token}"}
    answers = {
        one.name: await http.request(one.method, one.at(str(uuid4())), headers=headers)
        for one in SWEPT
        if one.path != update
    }
    told = {name: answer.json().get("error", {}).get("reason") for name, answer in answers.items()}
    assert {name: reason for name, reason in told.items() if reason != "must_change_password"} == {}
    refresh = {"refresh_token": visitor.refresh_token}
    (await visitor.post("/api/v1/auth/refresh", refresh)).expect(200)
    (await visitor.post(update, {"old_password": given["temporary_password"], "new_password": NEW})).expect(200)

    async def free() -> bool:
        return (await visitor.get(STORE)).ok

    await eventually(free, within=PROMISED_SECONDS)
    assert (await Visitor(http, email=buyer.email).logs_in(given["temporary_password"])).status == 401


async def test_a_suspended_store_can_neither_buy_nor_be_seen_within_a_second_and_comes_back(market: Market) -> None:
    await market.lists(market.vendors[0], "SUSPENDED", units=5)
    admin, buyer, vendor = market.admin, market.buyers[0], market.vendors[0]
    product = f"/api/v1/products/{market.goods['SUSPENDED']['id']}"

    async def refused() -> bool:
        return (await buyer.fills_cart({market.line("SUSPENDED"): 1})).reason == "store_suspended"

    async def hidden() -> bool:
        return (await market.buyers[1].get(product)).status == 404

    async def back() -> bool:
        sees, buys = await buyer.get(product), await buyer.fills_cart({market.line("SUSPENDED"): 1})
        return sees.ok and buys.ok

    for store in (buyer, vendor):
        path = f"/api/v1/admin/stores/{store.store_id}/suspend"
        (await admin.post(path, {"reason": "an inspection"})).expect(200)
    took = await eventually(refused, within=PROMISED_SECONDS)
    await eventually(hidden, within=15)
    for store in (buyer, vendor):
        path = f"/api/v1/admin/stores/{store.store_id}/reinstate"
        (await admin.post(path, {"reason": "all is well"})).expect(200)
    await eventually(back, within=15)
    print(f"suspended for the gateway after {took * 1000:.0f} ms")
