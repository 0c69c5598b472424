"""An idempotency key belongs to one user, one store and one concrete path (spec 1.5, F-T3)."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from bodies import valid_bodies
from cast import Cast, assemble
from markets import Market, a_key, open_market
from neighbours import World, collect_cursors, settle
from operations import Operation, all_operations
from passes import Caller

from kernel.scope import Role
from packhouse.actors import product
from packhouse.stack import Stack

PUBLIC = [one for one in all_operations() if not one.is_internal]
REQUIRED = [one for one in PUBLIC if one.needs_key]
OF_A_USER = [one for one in PUBLIC if one.takes_key and not one.is_anonymous]
REPLAYED = "Idempotency-Replayed"
RECORDS = "select '{0}' as service, method, path from {0}.idempotency_records where key = $1"
SERVICES = sorted({one.service for one in REQUIRED})


@dataclass(frozen=True)
class House:
    """A vendor store with an owner and a manager, and two more vendors; `ids` are the first one's.

    What admins do to a store they do to the last one.
    """

    cast: Cast
    other: Market
    ids: Mapping[str, str]

    def ids_for(self, operation: Operation) -> Mapping[str, str]:
        bystander = self.other.vendors[1]
        return self.ids | ({"store_id": str(bystander.store_id)} if operation.who == "admin" else {})

    def author(self, operation: Operation) -> Caller:
        return self.cast.who_may(operation)

    def others(self, operation: Operation) -> list[Caller]:
        """Who may use the operation too: another user of the same store, and somebody of another store."""
        if operation.who == "admin":
            return [Caller.of("another admin", str(self.other.admin.token))]
        return [
            self.cast.members["vendor", Role.MANAGER],
            Caller.of("another vendor", str(self.other.vendors[0].token)),
        ]


@pytest.fixture(scope="module")
async def house(stack: Stack) -> AsyncIterator[House]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        cast = await assemble(stack, http)
        vendor = cast.market.vendors[0]
        goods = (await vendor.lists(product("KEYED", "Keyed"))).expect(201)
        ids = {"store_id": str(vendor.store_id), "vendor_store_id": str(vendor.store_id), "product_id": goods["id"]}
        yield House(cast, await open_market(http, run=uuid4().hex[:8], vendors=2, buyers=0), ids)


@dataclass(frozen=True)
class Write:
    """One request that can be sent again, by anybody."""

    operation: Operation
    path: str
    body: Any
    key: str

    async def sent(self, http: httpx.AsyncClient, caller: Caller) -> httpx.Response:
        headers = caller.bearer | {"Idempotency-Key": self.key}
        return await http.request(self.operation.method, self.path, json=self.body, headers=headers)


def write(operation: Operation, ids: Mapping[str, str], key: str) -> Write:
    """A valid one; ids that the caller has none of are new ones."""
    names = [parameter.name for parameter in operation.ids if parameter.place == "path"]
    path = operation.with_ids({name: ids.get(name) or str(uuid4()) for name in names})
    return Write(operation, path, valid_bodies(ids)[operation.name] if operation.takes_body else None, key)


def is_replay(answer: httpx.Response) -> bool:
    return answer.headers.get(REPLAYED) == "true"


async def test_every_required_route_is_bound_by_its_concrete_path(
    house: House, http: httpx.AsyncClient, database: asyncpg.Connection
) -> None:
    """One key goes to all of them, and to two ids where the path has one: each path has a record and an answer."""
    key, asked = a_key(), []
    writes = [write(operation, house.ids, key) for operation in REQUIRED]
    writes += [write(operation, {}, key) for operation in REQUIRED if "{" in operation.path]
    for one in writes:
        caller = house.author(one.operation)
        first, again = await one.sent(http, caller), await one.sent(http, caller)
        assert not is_replay(first), f"{one.operation.name}: {first.text}"
        assert is_replay(again), f"{one.operation.name}: {again.text}"
        assert (first.status_code, first.content) == (again.status_code, again.content)
        asked.append((one.operation.service, one.operation.method, one.path))

    query = " union all ".join(RECORDS.format(service) for service in SERVICES)
    assert sorted(tuple(row) for row in await database.fetch(query, key)) == sorted(asked)
    print(f"{len(REQUIRED)} operations, {len(asked)} paths with one key")


async def test_an_alias_is_the_path_it_stands_for(house: House, http: httpx.AsyncClient) -> None:
    standing = next(one for one in PUBLIC if one.path == "/api/v1/admin/stores/{store_id}/standing")
    plain = write(standing, house.ids, a_key())
    alias = Write(standing, plain.path.replace("/api/v1/admin/", "/api/admin/v1/"), plain.body, plain.key)

    first, again = await plain.sent(http, house.cast.admin), await alias.sent(http, house.cast.admin)

    assert (is_replay(first), is_replay(again)) == (False, True)


@pytest.mark.parametrize("operation", OF_A_USER, ids=lambda operation: operation.name)
async def test_a_key_replays_nothing_to_another_user_or_store(
    house: House, http: httpx.AsyncClient, operation: Operation
) -> None:
    """A 401 is kept for nobody (spec 1.5)."""
    sent = write(operation, house.ids_for(operation), a_key())
    first = await sent.sent(http, house.author(operation))
    for caller in house.others(operation):
        answer = await sent.sent(http, caller)
        assert not is_replay(answer), f"{caller.name}: {answer.text}"
        assert answer.status_code < 500
        assert answer.json().get("error", {}).get("code") != "IDEMPOTENCY_KEY_REUSED", f"{caller.name}: {answer.text}"
    again = await sent.sent(http, house.author(operation))
    assert is_replay(again) == (first.status_code != 401), first.text


async def test_a_key_of_nobody_belongs_to_its_e_mail(http: httpx.AsyncClient) -> None:
    register = next(one for one in PUBLIC if one.path == "/api/v1/auth/register")
    sent = write(register, {}, a_key())
    other_body = write(register, {}, sent.key)

    first, other = await sent.sent(http, Caller.nobody()), await other_body.sent(http, Caller.nobody())

    assert (first.status_code, other.status_code, is_replay(other)) == (200, 200, False)
    assert first.json()["data"]["user"]["id"] != other.json()["data"]["user"]["id"]


async def test_a_cursor_shows_no_row_of_the_store_it_came_from(http: httpx.AsyncClient, market: Market) -> None:
    """Lists of one's own goods and orders, gone through from the place where another's list stood."""
    theirs, ours = [
        await settle(market, buyer, vendor) for buyer, vendor in zip(market.buyers, market.vendors, strict=True)
    ]
    await collect_cursors(theirs, market.admin)
    own_lists = {
        "GET /api/v1/orders": (ours.buyer, "/api/v1/orders"),
        "GET /api/v1/vendor/products": (ours.vendor, "/api/v1/vendor/products"),
        "GET /api/v1/inventory": (ours.vendor, "/api/v1/inventory"),
        "GET /api/v1/inventory/{product_id}/movements": (ours.vendor, movements(ours)),
        "GET /api/v1/media": (ours.vendor, "/api/v1/media"),
        "GET /api/v1/licenses": (ours.vendor, "/api/v1/licenses"),
    }
    for name, (member, path) in own_lists.items():
        params = {"cursor": theirs.cursors[name], "limit": 100}
        page = await http.get(path, params=params, headers={"Authorization": f"Bearer {member.token}"})
        assert page.status_code in {200, 400}, f"{name}: {page.text}"
        assert theirs.canary not in page.text, name
        assert not any(value in page.text for value in theirs.ids.values()), name
    assert own_lists.keys() | {"GET /api/v1/products", "GET /api/v1/admin/licenses"} == theirs.cursors.keys()


def movements(world: World) -> str:
    return f"/api/v1/inventory/{world.ids['product_id']}/movements"
