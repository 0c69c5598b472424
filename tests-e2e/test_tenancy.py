"""Another store's ids are worth as much as made-up ones on every operation; its words are nowhere (F-T1, F-T2)."""

import asyncio
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from typing import Any
from uuid import uuid4

import httpx
import pytest
from bodies import valid_bodies
from cast import Cast, assemble
from markets import Market, open_market
from neighbours import World, collect_cursors, settle
from operations import IdParameter, Operation, all_operations
from passes import Caller

from packhouse.eventually import eventually
from packhouse.stack import Stack

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOVING = re.compile(rf"{UUID.pattern}|\d{{4}}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|SKU-[0-9a-f]{{12}}|\"version\": \d+")
WITH_IDS = [operation for operation in all_operations() if operation.ids]
WITHOUT_IDS = [operation for operation in all_operations() if not operation.ids]
OF_THE_HOUSE = {"admin", "agent"}


@dataclass(frozen=True)
class Town:
    """`hidden` is the other world, whose vendor no longer shows; `open` is ours. `cast` are further members of ours."""

    market: Market
    hidden: World
    open: World
    cast: Cast

    @property
    def neighbours(self) -> list[Caller]:
        """The owners of the other world's stores, who try everything."""
        return [Caller.of(member.store_type, str(member.token)) for member in (self.open.buyer, self.open.vendor)]

    @property
    def strangers(self) -> list[Caller]:
        """Everybody who is not of the hidden world."""
        return [*self.neighbours, *self.cast.everybody]


@pytest.fixture(scope="module")
async def town(stack: Stack) -> AsyncIterator[Town]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        market = await open_market(http, run=uuid4().hex[:8], vendors=2, buyers=2)
        hidden, ours = await asyncio.gather(
            *(settle(market, buyer, vendor) for buyer, vendor in zip(market.buyers, market.vendors, strict=True))
        )
        await collect_cursors(hidden, market.admin)
        await _hide(market, hidden, ours)
        yield Town(market, hidden, ours, await assemble(stack, http))


async def _hide(market: Market, hidden: World, ours: World) -> None:
    """End the vendor's subscription: a hidden vendor and its products are as if they were not there (spec 1.1)."""
    (await market.admin.grants_standing(str(hidden.vendor.store_id), subscribed=False)).expect(200)

    async def gone() -> bool:
        return (await ours.buyer.get(f"/api/v1/products/{hidden.ids['product_id']}")).status == 404

    await eventually(gone, within=15)


# Requests


@dataclass(frozen=True)
class Request:
    """One operation with values in the places of its ids."""

    operation: Operation
    path: str
    query: Mapping[str, Any]
    body: Any

    async def sent(self, http: httpx.AsyncClient, caller: Caller) -> httpx.Response:
        headers = caller.bearer | {"X-Request-Id": uuid4().hex}
        if self.operation.method in {"POST", "PUT", "PATCH"}:
            headers = headers | {"Idempotency-Key": uuid4().hex}
        return await http.request(self.operation.method, self.path, params=self.query, json=self.body, headers=headers)


def request(operation: Operation, own: Mapping[str, str], values: Mapping[IdParameter, str]) -> Request:
    """A valid request of somebody with these ids, but with `values` in some places."""
    path, query = operation.path, {"state": "OK"} if operation.path == "/api/v1/products" else {}
    body = deepcopy(valid_bodies(own)[operation.name]) if operation.takes_body and not operation.is_internal else None
    for parameter in operation.ids:
        value = values.get(parameter, own.get(parameter.name, str(uuid4())))
        if parameter.place == "path":
            path = path.replace(f"{{{parameter.name}}}", value)
        elif parameter.place == "query" and parameter in values:
            query[parameter.name] = value
        elif parameter.place == "body" and parameter in values and body is not None:
            _put(body, parameter.steps, value)
    return Request(operation, path, query, body)


def _put(body: Any, steps: tuple[str | int, ...], value: str) -> None:
    """Where the valid body has an id; one that it does not have is a hole in the sweep, and a KeyError."""
    *way, last = steps
    for step in way:
        body = body[step]
    assert body[last]
    body[last] = value


def told(response: httpx.Response) -> tuple[int, str]:
    """What the caller learns: ids, times and versions may differ between two answers, and nothing else."""
    answer = response.json() if response.content else {}
    answer.get("error", {}).pop("request_id", None)
    return response.status_code, MOVING.sub("<moving>", json.dumps(answer))


def unknown_like(value: str) -> str:
    """An id that nobody has; for a cursor, the same place in the list with such an id."""
    if UUID.fullmatch(value):
        return str(uuid4())
    text = urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    return urlsafe_b64encode(UUID.sub(str(uuid4()), text).encode()).rstrip(b"=").decode()


def trials(operation: Operation, foreign: World, *, all_kinds: bool) -> Iterator[dict[IdParameter, str]]:
    """Every place alone, with the id that belongs there or with all kinds; then those side by side; then all."""
    for parameter in operation.ids:
        if parameter.name == "cursor":
            values = [foreign.cursors[operation.name]] if operation.name in foreign.cursors else []
        elif all_kinds and not operation.is_internal:
            values = sorted(set(foreign.ids.values()))
        else:
            values = [foreign.ids.get(parameter.name, foreign.ids["order_id"])]
        yield from ({parameter: value} for value in values)
    known = [one for one in operation.ids if one.name in foreign.ids]
    beside = {(one.place, one.steps[:-1]): [two for two in known if two.steps[:-1] == one.steps[:-1]] for one in known}
    for together in (*beside.values(), known):
        if len(together) > 1:
            yield {one: foreign.ids[one.name] for one in together}


def is_told_apart(operation: Operation, values: Mapping[IdParameter, str]) -> bool:
    """A cart keeps a hidden vendor's product, as invalid (spec 4.4): it may be there, and say no word of itself."""
    return operation.path == "/api/v1/cart" and {"product_id", "vendor_store_id"} <= {one.name for one in values}


def may_name_anybody(operation: Operation, caller: Caller) -> bool:
    """The house's own people act on stores that are not theirs: to them no store is foreign."""
    return operation.who in OF_THE_HOUSE and caller.context.system_role == operation.who


# Tests


def test_every_operation_is_either_swept_or_takes_no_id() -> None:
    """Computed from the references; nothing is left out by hand."""
    bodies = valid_bodies({})
    public = [one for one in all_operations() if one.takes_body and not one.is_internal]
    assert {one.name for one in public} == set(bodies)
    assert len(WITH_IDS) + len(WITHOUT_IDS) == len(all_operations())
    places = sum(len(one.ids) for one in WITH_IDS)
    print(f"{len(WITH_IDS)} operations with {places} places for ids, swept; without any id:")
    print("\n".join(f"  {one.name}" for one in WITHOUT_IDS))


@pytest.mark.timeout(400)
async def test_tenant_isolation_every_route_every_foreign_id(stack: Stack, town: Town, http: httpx.AsyncClient) -> None:
    """Status, code, reason, message, data and the number of statements are those of an unknown id, whoever asks."""

    async def leaks_of(operation: Operation, caller: Caller) -> list[str]:
        """Unknown ids are asked for once in each place, and foreign ones must be answered like them."""
        own, leaks = _own(town, caller), []
        answers: dict[frozenset[IdParameter], httpx.Response] = {}
        for values in trials(operation, town.hidden, all_kinds=caller.name in {"buyer", "vendor"}):
            places = frozenset(values)
            if places not in answers:
                made_up = {place: unknown_like(value) for place, value in values.items()}
                answers[places] = await request(operation, own, made_up).sent(http, caller)
            foreign, unknown = await request(operation, own, values).sent(http, caller), answers[places]
            asked.append(operation.name)
            apart = is_told_apart(operation, values)
            where = f"{operation.name} by {caller.name}, {', '.join(map(str, values))}"
            if not (apart or told(foreign) == told(unknown)) or word in foreign.text or foreign.status_code >= 500:
                leaks.append(f"{where}: {foreign.text[:300]}, not {unknown.text[:300]}")
            elif not apart:
                pairs.append((where, _id_of(foreign), _id_of(unknown)))
        return leaks

    asked: list[str] = []
    pairs: list[tuple[str, str, str]] = []
    leaks: list[str] = []
    word = town.hidden.canary
    for operation in WITH_IDS:
        callers = [caller for caller in town.strangers if not may_name_anybody(operation, caller)]
        found = await asyncio.gather(*(leaks_of(operation, caller) for caller in callers))
        leaks += chain.from_iterable(found)
    assert not leaks
    sent = statements(stack)
    uneven = [f"{where}: {sent[one]}, not {sent[two]}" for where, one, two in pairs if sent[one] != sent[two]]
    assert not uneven, "\n".join(uneven)
    assert sum(sent[one] > 0 for _, one, _ in pairs) > len(pairs) / 2, "no statements were counted"
    assert set(asked) == {operation.name for operation in WITH_IDS}
    print(f"{len(WITH_IDS)} of {len(WITH_IDS)} operations, {len(asked)} foreign ids against unknown ones, 0 leaks")


def _id_of(response: httpx.Response) -> str:
    return response.request.headers["X-Request-Id"]


def statements(stack: Stack) -> Counter[str]:
    """How many statements every request has cost, by its id, in all services together."""
    cost: Counter[str] = Counter()
    for process in stack.processes():
        for line in process.log.splitlines():
            if '"request.complete"' in line:
                said = json.loads(line)
                cost[said["request_id"]] += said["statements"]
    return cost


def _own(town: Town, caller: Caller) -> Mapping[str, str]:
    """Ids the caller may name: its own world's, and its own store's."""
    store = caller.context.store_id
    return town.open.ids | ({"store_id": str(store)} if store else {})


async def test_the_swept_ids_open_every_door_to_their_own_store(town: Town, http: httpx.AsyncClient) -> None:
    """Otherwise the sweep would compare one unknown id with another."""
    world = town.open
    shut = []
    for operation in (one for one in WITH_IDS if one.method == "GET" and not one.is_internal):
        answers = [
            await request(operation, world.ids | {"store_id": str(owner.context.store_id)}, {}).sent(http, owner)
            for owner in (*town.neighbours, town.cast.admin)
        ]
        if all(answer.status_code != 200 for answer in answers):
            shut.append(f"{operation.name}: {[answer.text[:200] for answer in answers]}")
    assert not shut
    lists = {one.name for one in WITH_IDS if "cursor" in {place.name for place in one.ids} and not one.is_internal}
    assert lists == set(town.hidden.cursors)


async def test_no_word_of_a_store_appears_in_another_stores_reads(town: Town, http: httpx.AsyncClient) -> None:
    """Every GET of everybody, searches for the word included; and the word is there for its own store."""
    word = town.hidden.canary
    reads = [one for one in all_operations() if one.method == "GET" and not one.is_internal]
    read = 0

    async def is_read(operation: Operation, caller: Caller, query: Mapping[str, Any]) -> bool:
        """The word stands in no data; a message may repeat what was asked."""
        made = request(operation, _own(town, caller), {})
        answer = await http.get(made.path, params={**made.query, **query}, headers=caller.bearer)
        return word in json.dumps(answer.json().get("data") if answer.content else None)

    queries = ({"limit": 100, "with_total": "true"}, {"q": word[:12], "search": word[:12]})
    for operation in reads:
        callers = [caller for caller in town.strangers if not may_name_anybody(operation, caller)]
        asked = [(caller, query) for caller in callers for query in queries]
        found = await asyncio.gather(*(is_read(operation, caller, query) for caller, query in asked))
        leaks = [visit for visit, has_word in zip(asked, found, strict=True) if has_word]
        assert not leaks, operation.name
        read += len(asked)
    assert word in (await town.hidden.buyer.get("/api/v1/stores/me")).data["company_name"]
    print(f"{len(reads)} reads by {len(town.strangers)} strangers, {read} answers without a foreign word")
