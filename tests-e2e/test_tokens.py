"""No token opens anything that it was not made for, and a session that is over stays over (F-A1, F-A2, F-A3, F-A10)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from cast import colleague
from operations import Operation, all_operations
from passes import Caller, Passes, claims_of
from sweeps import PROMISED_SECONDS, SWEPT, still_open_after_a_second

from chassis.auth import SigningKey
from kernel.scope import Role
from packhouse.actors import Admin, Buyer, Reply, Visitor
from packhouse.environment import EDGE
from packhouse.eventually import eventually
from packhouse.stack import Stack
from testkit.hostile import Forge

KINDS_MIN = 38
KNOWN_STORE = {"active_store_id", "store_type", "role", "system_role"}
KNOWN_USER = {"sub", "sid", "store_id", "store_type", "kyc_status", "role", "system_role"}
ACTS_FOR = {"act_user_id", "act_store_id"}
READS = {
    "identity": "/api/v1/stores/me",
    "media": "/api/v1/media",
    "catalog": "/api/v1/vendor/products",
    "orders": "/api/v1/orders",
}
SERVICES = tuple(READS)
Ending = Callable[[Buyer, Visitor], Awaitable[Reply]]
BOASTS = {
    "X-User-Id": "11111111-1111-4111-8111-111111111111",
    "X-Store-Id": "11111111-1111-4111-8111-111111111111",
    "X-Internal-Service": "gateway",
    "X-Internal-Role": "admin",
}


@pytest.fixture
def passes(stack: Stack) -> Passes:
    return Passes(stack)


@pytest.fixture
async def buyer(http: httpx.AsyncClient) -> Buyer:
    newcomer = Buyer(http, f"Tokens {uuid4().hex[:12]}")
    (await newcomer.registers()).expect(200)
    return newcomer


def caller(visitor: Buyer | Admin) -> Caller:
    assert visitor.token is not None
    return Caller.of("caller", visitor.token)


async def statuses(http: httpx.AsyncClient, url: str, tokens: dict[str, dict[str, str]], method: str) -> dict[str, int]:
    """By kind of token, what the same request answers."""

    async def status(headers: dict[str, str]) -> int:
        return (await http.request(method, url, headers=headers)).status_code

    return dict(zip(tokens, await asyncio.gather(*map(status, tokens.values())), strict=True))


def accepted(answers: dict[str, int]) -> dict[str, int]:
    return {kind: status for kind, status in answers.items() if status != 401}


def in_bearer(kinds: dict[str, str]) -> dict[str, dict[str, str]]:
    return {kind: {"Authorization": f"Bearer {token}"} for kind, token in kinds.items()}


@asynccontextmanager
async def canary() -> AsyncIterator[tuple[int, list[Any]]]:
    """A port that hostile headers point to, and who came."""
    came: list[Any] = []

    async def answered(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(answered, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], came
    server.close()


# F-A1


async def test_every_hostile_access_token_is_401_at_the_gateway(
    http: httpx.AsyncClient, passes: Passes, buyer: Buyer
) -> None:
    async with canary() as (port, came):
        claims = claims_of(str(buyer.token))
        forge = Forge(passes.access_key(), "at+jwt", claims, optional=KNOWN_STORE, canary_port=port)
        hostile = in_bearer(forge.all_kinds())
        answers = await statuses(http, "/api/v1/stores/me", hostile, "GET")
        good = await http.get("/api/v1/stores/me", headers={"Authorization": f"Bearer {forge.good()}"})
    assert accepted(answers) == {"kid of 1 MB": 400}, "what is longer than a head may be is not even read"
    assert len(answers) >= KINDS_MIN
    assert (good.status_code, came) == (200, [])
    print(f"gateway: {len(answers)} hostile access tokens, 0 accepted")


async def test_every_hostile_access_token_is_401_where_identity_reads_the_bearer_itself(
    http: httpx.AsyncClient, passes: Passes, buyer: Buyer
) -> None:
    """Refresh and logout read a bearer that may be expired, and nothing else of it may be wrong."""
    forge = Forge(passes.access_key(), "at+jwt", claims_of(str(buyer.token)), optional=KNOWN_STORE)
    hostile = {kind: token for kind, token in forge.all_kinds().items() if kind != "time over"}
    path = "/api/v1/auth/logout"
    asked = passes.context(Caller.nobody().context, "identity", "POST", path)
    tokens = {kind: asked | headers for kind, headers in in_bearer(hostile).items()}
    answers = await statuses(http, passes.url("identity") + path, tokens, "POST")
    assert accepted(answers) == {}
    assert (await buyer.get("/api/v1/stores/me")).status == 200


@pytest.mark.parametrize("service", SERVICES)
async def test_every_hostile_context_and_service_token_is_401_at_every_service(
    http: httpx.AsyncClient, passes: Passes, buyer: Buyer, service: str
) -> None:
    async with canary() as (port, came):
        path = READS[service]
        good = passes.context(caller(buyer).context, service, "GET", path)["X-PF-Context"]
        forge = Forge(passes.key("gateway"), "pf-ctx+jwt", claims_of(good), optional=KNOWN_USER, canary_port=port)
        contexts = {kind: {"X-PF-Context": token} for kind, token in forge.all_kinds().items()}
        of_contexts = await statuses(http, passes.url(service) + path, contexts, "GET")
        is_good = await http.get(passes.url(service) + path, headers={"X-PF-Context": forge.good()})

        asker = "media" if service == "catalog" else "catalog"
        inside = "/internal/v1/events/counters?since=2030-01-01T00:00:00Z"
        good = passes.service_token(asker, service)["Authorization"].removeprefix("Bearer ")
        forge = Forge(passes.key(asker), "pf-svc+jwt", claims_of(good), optional=ACTS_FOR, canary_port=port)
        of_services = await statuses(http, passes.url(service) + inside, in_bearer(forge.all_kinds()), "GET")
        is_asked = await http.get(passes.url(service) + inside, headers={"Authorization": f"Bearer {forge.good()}"})
    assert accepted(of_contexts) == {}
    assert accepted(of_services) == {}
    assert min(len(of_contexts), len(of_services)) >= KINDS_MIN
    assert is_good.status_code != 401
    assert (is_asked.status_code, came) == (200, [])
    print(f"{service}: {len(of_contexts)} context and {len(of_services)} service tokens, 0 accepted")


# F-A2


async def refreshed(buyer: Visitor, refresh_token: str, *, agent: str = "phone") -> Reply:
    """Exchange a refresh token as a client that names itself `agent`."""
    headers = {"Authorization": f"Bearer {buyer.token}", "User-Agent": agent}
    body = {"refresh_token": refresh_token}
    return Reply.of(await buyer.http.post("/api/v1/auth/refresh", json=body, headers=headers))


async def test_ten_refreshes_at_once_from_one_client_have_one_successor_and_one_jti(buyer: Buyer) -> None:
    first = str(buyer.refresh_token)
    replies = await asyncio.gather(*(refreshed(buyer, first) for _ in range(10)))
    given = [reply.expect(200) for reply in replies]
    assert len({one["refresh_token"] for one in given}) == 1
    assert len({claims_of(one["access_token"])["jti"] for one in given}) == 1
    for one in given:
        buyer.token = one["access_token"]
        assert (await buyer.get("/api/v1/stores/me")).status == 200
    print("10 parallel refreshes: 1 successor, 1 jti")


async def replays_after_the_grace(buyer: Buyer, database: asyncpg.Connection) -> Reply:
    first = str(buyer.refresh_token)
    buyer.token = (await refreshed(buyer, first)).expect(200)["access_token"]
    await database.execute(
        "update identity.refresh_tokens set used_at = used_at - interval '11 seconds'"
        " where family = $1::uuid and used_at is not null",
        claims_of(buyer.token)["sid"],
    )
    return await refreshed(buyer, first)


async def replays_from_another_client(buyer: Buyer, _database: asyncpg.Connection) -> Reply:
    first = str(buyer.refresh_token)
    buyer.token = (await refreshed(buyer, first)).expect(200)["access_token"]
    return await refreshed(buyer, first, agent="thief")


async def replays_an_older_generation(buyer: Buyer, _database: asyncpg.Connection) -> Reply:
    first = token = str(buyer.refresh_token)
    for _ in range(2):
        given = (await refreshed(buyer, token)).expect(200)
        buyer.token, token = given["access_token"], given["refresh_token"]
    return await refreshed(buyer, first)


@pytest.mark.parametrize("replays", [replays_after_the_grace, replays_from_another_client, replays_an_older_generation])
async def test_a_refresh_token_used_again_ends_the_session_within_a_second(
    buyer: Buyer, database: asyncpg.Connection, replays: Any
) -> None:
    answer = await replays(buyer, database)

    async def dead() -> bool:
        return (await buyer.get("/api/v1/stores/me")).reason == "session_revoked"

    took = await eventually(dead, within=PROMISED_SECONDS)
    sid = claims_of(str(buyer.token))["sid"]
    assert (answer.status, answer.reason) == (401, "session_revoked")
    family = await database.fetchrow(
        "select revoked_at, reason from identity.session_families where id = $1::uuid", sid
    )
    assert family["revoked_at"] is not None
    assert family["reason"] == "refresh_reuse"
    audited = await database.fetchval(
        "select count(*) from identity.audit_logs where action = 'auth.refresh_reuse' and target_id = $1::uuid", sid
    )
    assert audited == 1
    print(f"{replays.__name__}: access token dead after {took * 1000:.0f} ms")


async def test_an_unknown_refresh_token_and_a_missing_bearer_change_nothing(buyer: Buyer) -> None:
    unknown = await refreshed(buyer, "A" * 43)
    missing = await buyer.http.post("/api/v1/auth/refresh", json={"refresh_token": buyer.refresh_token})
    assert (unknown.status, unknown.reason) == (401, "token_invalid")
    assert (missing.status_code, missing.json()["error"]["reason"]) == (401, "token_missing")
    assert (await buyer.get("/api/v1/stores/me")).status == 200
    (await refreshed(buyer, str(buyer.refresh_token))).expect(200)


# F-A3


async def logs_out(_owner: Buyer, member: Visitor) -> Reply:
    return await member.logs_out()


async def is_removed(owner: Buyer, member: Visitor) -> Reply:
    return await owner.removes(claims_of(str(member.token))["sub"])


@pytest.mark.parametrize(("ends", "status"), [(logs_out, 200), (is_removed, 204)])
async def test_after_its_end_the_old_token_opens_no_operation_within_a_second(
    buyer: Buyer, ends: Ending, status: int
) -> None:
    member = await colleague(buyer, Role.MANAGER)
    token, refresh_token = str(member.token), str(member.refresh_token)
    (await member.get("/api/v1/stores/me")).expect(200)
    (await ends(buyer, member)).expect(status)
    assert not await still_open_after_a_second(buyer.http, token)
    assert (await refreshed(member, refresh_token)).status == 401
    print(f"{ends.__name__}: {len(SWEPT)} operations refuse the old token after {PROMISED_SECONDS:.0f} s")


# F-A4


async def test_a_role_that_was_lowered_opens_nothing_more_after_a_second(buyer: Buyer) -> None:
    """The token that says otherwise is dead on every operation, and the next one has the new role's rights only."""
    member = await colleague(buyer, Role.MANAGER)
    token, people = str(member.token), "/api/v1/stores/me/users"
    (await member.get(people)).expect(200)
    (await buyer.gives_role(claims_of(token)["sub"], "viewer")).expect(200)
    assert not await still_open_after_a_second(buyer.http, token)
    member.token = (await refreshed(member, str(member.refresh_token))).expect(200)["access_token"]
    assert (await member.get("/api/v1/stores/me")).status == 200
    lowered = await member.get(people)
    assert (lowered.status, lowered.reason) == (403, "role_missing")


# F-A10


def stolen_contexts(passes: Passes, who: Caller, operation: Operation, path: str) -> dict[str, dict[str, str]]:
    """A request's context as it may not be, each beside the headers that say more than they may."""
    other = next(name for name in SERVICES if name != operation.service)
    service, method, context = operation.service, operation.method, who.context
    stranger = SigningKey.generate()
    kid_of_gateway = SigningKey(stranger.private, passes.key("gateway").kid)
    return {
        "none": {},
        "none but boasts": BOASTS,
        "bearer": who.bearer,
        "empty": {"X-PF-Context": ""},
        "of a stranger": passes.context(context, service, method, path, key=stranger),
        "of a stranger with the gateway's kid": passes.context(context, service, method, path, key=kid_of_gateway),
        "of another service's key": passes.context(context, service, method, path, key=passes.key(other)),
        "for another service": passes.context(context, other, method, path),
        "expired": passes.context(context, service, method, path, age=120),
        "not yet": passes.context(context, service, method, path, age=-120),
        "for another path": passes.context(context, service, method, f"{path}/x"),
        "for another method": passes.context(context, service, "TRACE", path),
        "a service token": passes.service_token("gateway", service),
        "a service token in its place": {
            "X-PF-Context": passes.service_token("gateway", service)["Authorization"].removeprefix("Bearer ")
        },
    }


def stolen_service_tokens(passes: Passes, who: Caller, operation: Operation, path: str) -> dict[str, dict[str, str]]:
    """A service's token as it may not be; `asker` is one that may ask."""
    service = operation.service
    asker = next(iter(sorted(operation.listed & {*SERVICES, EDGE})))
    other = next(name for name in SERVICES if name != service)
    context = passes.context(who.context, service, operation.method, path)
    return {
        "none": {},
        "none but boasts": BOASTS,
        "bearer of a user": who.bearer,
        "context token": context,
        "context token in its place": {"Authorization": f"Bearer {context['X-PF-Context']}"},
        "of a stranger": passes.service_token(asker, service, key=SigningKey.generate()),
        "of another key": passes.service_token(asker, service, key=passes.key("orders" if asker != "orders" else EDGE)),
        "for another service": passes.service_token(asker, other),
        "expired": passes.service_token(asker, service, age=120),
        "not yet": passes.service_token(asker, service, age=-120),
    }


async def test_no_service_answers_a_stolen_or_missing_context(
    http: httpx.AsyncClient, passes: Passes, buyer: Buyer
) -> None:
    """Every operation of every service directly at its port: the network is no wall."""
    who, let_in, asked = caller(buyer), [], 0
    for operation in (one for one in all_operations() if one.service != EDGE and one.who != "open"):
        path = operation.at(str(uuid4()))
        stolen = (stolen_service_tokens if operation.is_internal else stolen_contexts)(passes, who, operation, path)
        answers = await statuses(http, passes.url(operation.service) + path, stolen, operation.method)
        let_in += [f"{operation.name} {kind}: {status}" for kind, status in accepted(answers).items()]
        asked += len(answers)
    assert not let_in
    print(f"F-A10: {asked} requests directly at the services, 0 accepted")


async def test_headers_of_a_client_never_say_who_it_is(http: httpx.AsyncClient, passes: Passes, buyer: Buyer) -> None:
    """Neither beside a context of nobody, nor at the gateway with a context that is otherwise good."""
    path, who = "/api/v1/stores/me", caller(buyer)
    nobody = passes.context(Caller.nobody().context, "identity", "GET", path)
    boasts = BOASTS | {"X-User-Id": str(who.context.user_id), "X-Store-Id": str(who.context.store_id)}
    direct = await http.get(passes.url("identity") + path, headers=nobody | boasts)
    good = passes.context(who.context, "identity", "GET", path)
    outside = await http.get(path, headers=good | boasts)
    other = replace(who.context, store_id=uuid4())
    both = await http.get(path, headers=passes.context(other, "identity", "GET", path) | boasts | who.bearer)
    assert (direct.status_code, outside.status_code) == (401, 401)
    assert both.json()["data"]["id"] == str(who.context.store_id)
