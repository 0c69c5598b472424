"""What a body may not say it may not say anywhere in it: every privileged name in every object (F-T4)."""

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from itertools import pairwise
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from bodies import valid_bodies
from cast import Cast, assemble
from markets import PLACED
from operations import Operation, Steps, all_operations
from passes import Caller

from kernel.scope import Role
from packhouse.actors import product
from packhouse.stack import Stack

WITH_BODY = [one for one in all_operations() if one.takes_body and not one.is_internal]
AT_ONCE = 8
PRIVILEGED: dict[str, Any] = {
    **dict.fromkeys(("id", "store_id", "buyer_store_id", "vendor_store_id", "user_id", "owner_user_id"), str(uuid4())),
    **dict.fromkeys(("checkout_group_id", "order_id", "sid", "actor_user_id", "provider_customer_id"), str(uuid4())),
    **dict.fromkeys(("total_cents", "subtotal_cents", "discounts_cents", "balance_due_cents", "tax_cents"), 1),
    **dict.fromkeys(("price", "price_cents", "unit_price_cents", "effective_unit_price_cents", "line_total_cents"), 1),
    **dict.fromkeys(("available_qty", "reserved_qty", "version", "membership_version", "generation"), 1),
    **dict.fromkeys(("subscription_active", "is_active", "mfa_enabled", "must_change_password", "deleted"), True),
    **dict.fromkeys(("created_at", "updated_at", "deleted_at", "email_verified_at"), "2020-01-01T00:00:00Z"),
    "role": "owner",
    "system_role": "admin",
    "status": "accepted",
    "state": "TX",
    "kyc_status": "verified",
    "kyc_override": "verified",
    "subscription_override": "active",
    "password_hash": "$argon2id$",
}
"""What only the house says, wherever a client might try to say it; each with a value that could be right."""


@pytest.fixture(scope="module")
async def cast(stack: Stack) -> AsyncIterator[Cast]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        yield await assemble(stack, http)


@pytest.fixture(scope="module")
async def product_id(cast: Cast) -> str:
    listed: str = (await cast.market.vendors[0].lists(product("OWN", "Own"))).expect(201)["id"]
    return listed


def forged(body: Any, steps: Steps, name: str) -> Any:
    """The body with this name in the object where the steps lead, which is put there when the body has none."""
    made = place = deepcopy(body)
    for step, following in pairwise((*steps, name)):
        if isinstance(step, int):
            place[step:] = place[step:] or [{}]
        elif not place.get(step):
            place[step] = [] if isinstance(following, int) else {}
        place = place[step]
    place[name] = PRIVILEGED[name]
    return made


async def seen(http: httpx.AsyncClient, cast: Cast) -> list[Any]:
    """What the stores look like to their own people."""
    reads = ("/api/v1/stores/me", "/api/v1/stores/my", "/api/v1/orders", "/api/v1/cart", "/api/v1/vendor/products")
    members = [cast.members[kind, Role.OWNER] for kind in ("buyer", "vendor")]
    answers = [await http.get(path, headers=member.bearer) for member in members for path in reads]
    return [answer.json().get("data") for answer in answers]


def test_every_object_of_every_body_is_tried() -> None:
    places = [(one.name, steps) for one in WITH_BODY for steps in one.objects]
    assert {one.name for one in WITH_BODY} == {name for name, steps in places if steps == ()}
    assert ("POST /api/v1/cart", ("items", 0)) in places
    print(f"{len(WITH_BODY)} operations with {len(places)} objects, {len(PRIVILEGED)} names")


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
async def test_a_privileged_field_is_refused_by_name(
    cast: Cast, product_id: str, http: httpx.AsyncClient, database: asyncpg.Connection, operation: Operation
) -> None:
    """400 VALIDATION_ERROR that names the field, for somebody who may use the operation; and nothing has changed."""
    caller, door = cast.who_may(operation), asyncio.Semaphore(AT_ONCE)
    store_id = str(cast.market.vendors[0].store_id)
    ids = {"store_id": store_id, "vendor_store_id": store_id, "product_id": product_id}
    path = operation.with_ids({one.name: ids.get(one.name, str(uuid4())) for one in operation.ids})

    async def taken(steps: Steps, name: str) -> str | None:
        body = forged(valid_bodies(ids)[operation.name], steps, name)
        async with door:
            answer = await http.request(operation.method, path, json=body, headers=with_key(caller))
        error = answer.json().get("error", {})
        field = ".".join(map(str, (*steps, name)))
        is_named = error.get("code") == "VALIDATION_ERROR" and field in error.get("details", {})
        return None if answer.status_code == 400 and is_named else f"{field}: {answer.status_code} {answer.text[:200]}"

    await database.execute(PLACED)
    before = await seen(http, cast)
    foreign = [(steps, name) for steps, own in operation.objects.items() for name in PRIVILEGED if name not in own]
    found = await asyncio.gather(*(taken(steps, name) for steps, name in foreign))
    assert [one for one in found if one] == []
    assert foreign
    assert await seen(http, cast) == before


def with_key(caller: Caller) -> dict[str, str]:
    return caller.bearer | {"Idempotency-Key": uuid4().hex}
