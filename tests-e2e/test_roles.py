"""Every route times every role (spec 1.7, acceptance 5): who may come in, and what everybody else is told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from cast import Cast, assemble
from operations import Operation, all_operations
from passes import Caller, Passes

from kernel.scope import Kyc, Role
from packhouse.environment import EDGE, installed_services
from packhouse.stack import Stack

OM = {Role.OWNER, Role.MANAGER}
OMP = OM | {Role.OPS}
OMPS = OMP | {Role.STAFF}
MEMBER = set(Role)
UNAUTHORIZED, FORBIDDEN = 401, 403
Refusal = tuple[int, str, str]


@dataclass(frozen=True)
class Entry:
    """Who may call a route, in the words of the specification's tables and not of the code."""

    who: str
    roles: frozenset[Role] = frozenset()
    store_type: str | None = None
    verified: bool = False
    services: frozenset[str] = frozenset()

    def refusal(self, caller: Caller) -> Refusal | None:
        """Status, code and reason that the caller gets, or None for one who may come in."""
        if self.who == "anyone":
            return None
        if caller.context.user_id is None:
            return UNAUTHORIZED, "UNAUTHORIZED", "token_missing"
        reason = self._reason(caller)
        return (FORBIDDEN, "FORBIDDEN", reason) if reason else None

    def _reason(self, caller: Caller) -> str | None:
        """Why somebody known may not come in."""
        context = caller.context
        if self.who in {"agent", "admin"} and context.system_role != self.who:
            return "role_missing"
        if self.who != "store":
            return None
        if context.store_id is None:
            return "store_context_missing"
        if context.role not in self.roles or self.store_type not in {None, context.store_type}:
            return "role_missing"
        if self.verified and context.kyc_status is not Kyc.VERIFIED:
            return "store_suspended" if context.kyc_status is Kyc.SUSPENDED else "not_verified"
        return None


def members(roles: set[Role], store_type: str | None = None, *, verified: bool = False) -> Entry:
    return Entry("store", frozenset(roles), store_type, verified)


def asked_by(*services: str) -> Entry:
    return Entry("service", services=frozenset(services))


ANYONE, BEARER, SIGNED_IN, ADMIN = Entry("anyone"), Entry("bearer"), Entry("signed_in"), Entry("admin")

ENTRIES = {
    "GET /.well-known/jwks.json": ANYONE,
    "POST /api/v1/auth/register": ANYONE,
    "POST /api/v1/auth/login": ANYONE,
    "POST /api/v1/auth/accept-invite": ANYONE,
    "POST /api/v1/auth/refresh": ANYONE,  # it looks at the body first; without a bearer it refuses any good one
    "POST /api/v1/auth/logout": BEARER,
    "POST /api/v1/auth/switch-store": SIGNED_IN,
    "POST /api/v1/auth/update-password": SIGNED_IN,
    "POST /api/v1/auth/forgot-password": ANYONE,
    "POST /api/v1/auth/reset-password": ANYONE,
    "POST /api/v1/admin/auth/login": ANYONE,
    "POST /api/v1/admin/auth/register": ANYONE,
    "POST /api/v1/admin/users/{user_id}/reset-password": ADMIN,
    "PUT /api/v1/admin/stores/{store_id}/standing": ADMIN,
    "POST /api/v1/admin/stores/{store_id}/suspend": ADMIN,
    "POST /api/v1/admin/stores/{store_id}/reinstate": ADMIN,
    "GET /api/v1/stores/me": members(MEMBER),
    "PUT /api/v1/stores/me": members(OM),
    "PATCH /api/v1/stores/me": members(OM),
    "GET /api/v1/stores/me/users": members(OM),
    "POST /api/v1/stores/me/users/invite": members(OM),
    "PATCH /api/v1/stores/me/users/{user_id}": members(OM),
    "DELETE /api/v1/stores/me/users/{user_id}": members(OM),
    "DELETE /api/v1/stores/me/invites/{invite_id}": members(OM),
    "GET /api/v1/stores/my": SIGNED_IN,
    "GET /api/v1/stores/{store_id}": SIGNED_IN,
    "GET /api/v1/products": members(MEMBER),
    "GET /api/v1/products/{product_id}": members(MEMBER),
    "GET /api/v1/vendor/products": members(MEMBER, "vendor"),
    "POST /api/v1/vendor/products": members(OMP, "vendor"),
    "GET /api/v1/vendor/products/{product_id}": members(MEMBER, "vendor"),
    "PATCH /api/v1/vendor/products/{product_id}": members(OMP, "vendor"),
    "DELETE /api/v1/vendor/products/{product_id}": members(OMP, "vendor"),
    "POST /api/v1/vendor/products/{product_id}/media": members(OMP, "vendor"),
    "DELETE /api/v1/vendor/products/{product_id}/media/{media_id}": members(OMP, "vendor"),
    "POST /api/v1/media/presign": members(OMPS),
    "GET /api/v1/media": members(MEMBER),
    "DELETE /api/v1/media/{media_id}": members(OMPS),
    "POST /api/v1/licenses": members(OMPS),
    "GET /api/v1/licenses": members(MEMBER),
    "DELETE /api/v1/licenses/{license_id}": members(OM),
    "GET /api/v1/admin/licenses": ADMIN,
    "POST /api/v1/admin/licenses/{license_id}/verify": ADMIN,
    "GET /api/v1/inventory": members(MEMBER, "vendor"),
    "PUT /api/v1/inventory/{product_id}": members(OMP, "vendor"),
    "GET /api/v1/inventory/{product_id}/movements": members(MEMBER, "vendor"),
    "GET /api/v1/cart": members(MEMBER),
    "POST /api/v1/cart": members(OMP, verified=True),
    "PUT /api/v1/cart": members(OMP, verified=True),
    "DELETE /api/v1/cart": members(OMP),
    "POST /api/v1/checkout": members(OMP, verified=True),
    "GET /api/v1/checkout/{group_or_cart_id}/confirmation": members(MEMBER),
    "GET /api/v1/orders": members(MEMBER),
    "GET /api/v1/orders/{order_id}": members(MEMBER),
    "GET /api/v1/orders/{order_id}/timeline": members(MEMBER),
    "POST /api/v1/orders/{order_id}/cancel": members(OMP),
    "POST /api/v1/orders/{order_id}/nudge": members(OMP),
    "POST /api/v1/orders/{order_id}/retry": members(OMP, verified=True),
    "POST /api/v1/vendor/orders/{order_id}/decision": members(OMP, "vendor"),
    "POST /api/v1/vendor/orders/{order_id}/line-items/decision": members(OMP, "vendor"),
    "POST /api/v1/vendor/orders/{order_id}/fulfill": members(OMPS, "vendor"),
    "POST /api/v1/admin/orders/{order_id}/cancel": ADMIN,
    "GET /api/public/ping": ANYONE,
    "POST /api/public/validate": ANYONE,
    "GET /api/v1/ping": SIGNED_IN,
    "GET /api/ping": members(MEMBER),
    "GET /api/v1/admin/ping": ADMIN,
    "identity GET /internal/v1/sessions/{sid}": asked_by("gateway"),
    "identity GET /internal/v1/stores/{store_id}": asked_by("catalog", "orders", "billing", "analytics"),
    "identity GET /internal/v1/media-references/{media_id}": asked_by("media"),
    "identity GET /internal/v1/events": asked_by("catalog", "orders", "media"),
    "identity GET /internal/v1/events/counters": asked_by("catalog", "orders", "media"),
    "media GET /internal/v1/media/{media_id}": asked_by("identity", "catalog", "billing"),
    "media POST /internal/v1/media/read-urls": asked_by("identity", "catalog", "billing"),
    "media GET /internal/v1/events": asked_by("identity", "catalog"),
    "media GET /internal/v1/events/counters": asked_by("identity", "catalog"),
    "catalog POST /internal/v1/quotes": asked_by("orders"),
    "catalog POST /internal/v1/reservations": asked_by("orders"),
    "catalog GET /internal/v1/events": asked_by("media"),
    "catalog GET /internal/v1/events/counters": asked_by("media"),
    "orders POST /internal/v1/checkouts/{checkout_id}/resolve": asked_by("catalog"),
    "orders GET /internal/v1/events": asked_by("catalog"),
    "orders GET /internal/v1/events/counters": asked_by("catalog"),
}
PUBLIC = [operation for operation in all_operations() if not operation.is_internal]
INTERNAL = [operation for operation in all_operations() if operation.is_internal]
LOGOUT = "POST /api/v1/auth/logout"


@pytest.fixture(scope="module")
async def cast(stack: Stack) -> AsyncIterator[Cast]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        yield await assemble(stack, http)


@pytest.fixture
def passes(stack: Stack) -> Passes:
    return Passes(stack)


def told(response: httpx.Response) -> Refusal:
    error = response.json().get("error", {}) if response.content else {}
    return response.status_code, error.get("code", ""), error.get("reason", "")


def mistake(operation: Operation, caller: Caller, response: httpx.Response) -> str | None:
    """What is wrong with the answer, in words; bodies are empty, so whoever comes in is told 400 or 404."""
    expected = ENTRIES[operation.name].refusal(caller)
    got = told(response)
    is_let_in = got[0] < 500 and got[0] not in {UNAUTHORIZED, FORBIDDEN}
    if (expected is None and is_let_in) or got == expected:
        return None
    return f"{operation.name} by {caller.name}: expected {expected or 'to come in'}, got {got}"


def spellings(operation: Operation) -> list[str]:
    """The path, and for the admins' group its aliases (spec 11)."""
    path = operation.at(str(uuid4()))
    rest = path.removeprefix("/api/v1/admin/")
    return [path] if rest == path else [path, f"/api/admin/v1/{rest}", f"/api/admin/{rest}"]


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    assert {operation.name for operation in all_operations()} == set(ENTRIES)


async def test_every_route_times_every_role(cast: Cast, http: httpx.AsyncClient) -> None:
    """Through the gateway, with sessions. Logging out comes last, because it ends them."""

    async def mistake_of(operation: Operation, caller: Caller, path: str) -> str | None:
        return mistake(operation, caller, await http.request(operation.method, path, headers=caller.bearer))

    mistakes: list[str | None] = []
    for operation in sorted(PUBLIC, key=lambda one: one.name == LOGOUT):
        visits = [(caller, path) for caller in cast.everybody for path in spellings(operation)]
        mistakes += await asyncio.gather(*(mistake_of(operation, caller, path) for caller, path in visits))
    assert not [one for one in mistakes if one]
    assert len(cast.everybody) == 1 + 2 * len(Role) + 2
    print(f"{len(PUBLIC)} operations x {len(cast.everybody)} callers: {len(mistakes)} requests")


async def test_every_service_keeps_every_role_by_itself(cast: Cast, passes: Passes) -> None:
    """The same table without the gateway in front, and for stores that are not verified."""
    unverified = [cast.members["buyer", Role.OWNER].standing(kyc) for kyc in Kyc if kyc is not Kyc.VERIFIED]
    mistakes: list[str | None] = []
    async with httpx.AsyncClient(timeout=30) as http:

        async def mistake_of(operation: Operation, caller: Caller) -> str | None:
            path = operation.at(str(uuid4()))
            headers = passes.context(caller.context, operation.service, operation.method, path) | caller.bearer
            answer = await http.request(operation.method, passes.url(operation.service) + path, headers=headers)
            return mistake(operation, caller, answer)

        for operation in (one for one in PUBLIC if one.service != EDGE):
            mistakes += await asyncio.gather(
                *(mistake_of(operation, caller) for caller in (*cast.everybody, *unverified))
            )
    assert not [one for one in mistakes if one]
    print(f"{len(mistakes)} requests past the gateway")


async def test_internal_routes_open_to_the_listed_services_only(
    cast: Cast, passes: Passes, http: httpx.AsyncClient
) -> None:
    """A service that is not listed is told so; people get nowhere, neither here nor through the gateway."""
    mistakes = []
    for operation in INTERNAL:
        path = operation.at(str(uuid4()))
        url = passes.url(operation.service) + path
        for issuer in installed_services():
            answer = await http.request(operation.method, url, headers=passes.service_token(issuer, operation.service))
            expected_in = issuer in ENTRIES[operation.name].services
            is_right = answer.status_code < 500 if expected_in else told(answer)[::2] == (FORBIDDEN, "role_missing")
            if not is_right or (expected_in and answer.status_code in {UNAUTHORIZED, FORBIDDEN}):
                mistakes.append(f"{operation.name} by {issuer}: {told(answer)}")
        for caller in cast.everybody:
            headers = passes.context(caller.context, operation.service, operation.method, path) | caller.bearer
            direct = await http.request(operation.method, url, headers=headers)
            outside = await http.request(operation.method, path, headers=caller.bearer)
            if (direct.status_code, outside.status_code) != (UNAUTHORIZED, 404):
                mistakes.append(f"{operation.name} by {caller.name}: {told(direct)} {told(outside)}")
    assert not mistakes
