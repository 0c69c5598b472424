"""Texts that mean something to a database, a terminal, a sheet or an eye are texts like any other (F-I2, F-I5, F-I6).

Every place of every public operation that takes a string gets the corpus: bodies, queries, paths and keys, with sorts,
filters and cursors among them. The short form gives each place a third of it, the long form all.
"""

import asyncio
import json
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import httpx
import pytest
import redis.asyncio
from bodies import valid_bodies
from markets import open_market
from neighbours import World, settle
from operations import IdParameter, Operation, all_operations
from passes import Caller, claims_of

from kernel.text import cleaned
from packhouse.actors import PASSWORD, product
from packhouse.eventually import eventually
from packhouse.stack import Stack

MARK = "pf-injected"
ANSWERS_WITHIN = 5.0
AT_ONCE = 8
SHARE = 3

INJECTIONS = (
    "' OR '1'='1",
    "'; drop table catalog.products; --",
    "'); select pg_sleep(10); --",
    '"; select 1; --',
    "newest; select 1",
    "created_at desc, (select 1)",
    "$1",
    "$$",
    "$.items[*] ? (@ > 1)",
    '{"$ne": null}',
    "%",
    "_",
    "%_\\",
    "\\",
    f"\r\nSET {MARK} 1\r\n",
    f"x\r\n{MARK} level=error",
    f"x\r\nSet-Cookie: {MARK}=1",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "+1",
    "-1",
    "{{7*7}}",
    "${7*7}",
    "<%= 7*7 %>",
    "<script>alert(1)</script>",
    "%s%n%x",
    "{0.__class__}",
    "../../etc/passwd",
)
UNICODE = (
    "\u202egnp.exe",
    "\U0001f33f",
    "a\u200bb\u200d",
    "e\u0301",
    "\ufeffx",
    "\uffff\U0010ffff",
    "\u0130I\u0131",
    "x\u0301" + "\u0301" * 300,
    "\x7f\x85\x1b[31m",
)
CORPUS = INJECTIONS + UNICODE
UNREADABLE = ("a\x00b", "\x00", "a\ud800", "\udfff\ud800")
"""JSON can write these, and no text has them."""

IMMENSE = "\u0301" * 100_000
AS_IT_STANDS = {
    "POST /api/v1/vendor/orders/{order_id}/decision",
    "POST /api/v1/vendor/orders/{order_id}/line-items/decision",
}
"""Answer a repeat with what was written the first time (P15)."""

MARKUP = {"body_html"}
"""Cleaned of what could run (spec 4.1), so it need not come back as it was sent; catalog's tests tell what stays."""

OF_THE_VENDOR = ("/vendor/", "/inventory", "/media", "/licenses", "/stores/me")
"""Paths for which the vendor has what a valid body names."""

IN_HEADERS = tuple(text for text in INJECTIONS if text.isprintable())

PUBLIC = [one for one in all_operations() if not one.is_internal]
WITH_TEXTS = [one for one in PUBLIC if one.texts]
WITH_BODIES = [one for one in PUBLIC if one.takes_body]
FORMS = [pytest.param(SHARE, id="short"), pytest.param(1, id="long", marks=pytest.mark.long)]


@dataclass(frozen=True)
class Street:
    """One world to write in, and a bystander whose store's standing and whose password may change."""

    world: World
    ids: Mapping[str, str]
    callers: Mapping[str, Caller]

    def caller(self, operation: Operation) -> Caller:
        if operation.is_anonymous and operation.who != "bearer":
            return Caller.nobody()
        if operation.who == "admin":
            return self.callers["admin"]
        of_vendor = any(piece in operation.path for piece in OF_THE_VENDOR)
        return self.callers["vendor" if of_vendor else "buyer"]


@pytest.fixture(scope="module")
async def street(stack: Stack) -> AsyncIterator[Street]:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30) as http:
        market = await open_market(http, run=uuid4().hex[:8], vendors=1, buyers=2)
        world = await settle(market, market.buyers[0], market.vendors[0])
        members = {"buyer": world.buyer, "vendor": world.vendor, "admin": market.admin}
        callers = {name: Caller.of(name, str(member.token)) for name, member in members.items()}
        bystander = market.buyers[1]
        ids = {"store_id": str(bystander.store_id), "user_id": claims_of(str(bystander.token))["sub"]}
        yield Street(world, world.ids | ids, callers)


# Requests


@dataclass(frozen=True)
class Attempt:
    """One text in one place of an otherwise valid request."""

    operation: Operation
    place: IdParameter
    text: str

    async def sent(self, http: httpx.AsyncClient, street: Street) -> httpx.Response:
        operation, ids = self.operation, street.ids
        headers = street.caller(operation).bearer | {"Idempotency-Key": uuid4().hex}
        path, query, body = self.operation.path, {"state": "OK"} if operation.path == "/api/v1/products" else {}, None
        if operation.takes_body:
            body = deepcopy(valid_bodies(ids)[operation.name])
        match self.place.place:
            case "path":
                path = path.replace(f"{{{self.place.name}}}", quote(self.text, safe=""))
            case "query":
                query[str(self.place.steps[0])] = self.text
            case "header":
                headers[self.place.name] = self.text
            case "body":
                _put(body, self.place.steps, self.text)
        path = path.format_map({parameter.name: ids.get(parameter.name, uuid4()) for parameter in operation.ids})
        return await _send(http, operation.method, path, headers, query, body)


async def _send(
    http: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], query: Mapping[str, str], body: Any
) -> httpx.Response:
    content = None if body is None else json.dumps(body)
    return await http.request(
        method, path, params=query, content=content, headers=headers | {"Content-Type": "application/json"}
    )


def _put(body: Any, steps: tuple[str | int, ...], value: str) -> None:
    """At this place, which is made when the valid body has none."""
    for step, following in pairwise(steps):
        present = body.get(step) if isinstance(body, dict) else body[step]
        if not present:
            body[step] = [None] if isinstance(following, int) else {}
        body = body[step]
    body[steps[-1]] = value


def attempts(operation: Operation, share: int) -> Iterator[Attempt]:
    """Every place with its share of the corpus, another one in each place."""
    for number, place in enumerate(operation.texts):
        texts = IN_HEADERS if place.place == "header" else CORPUS
        yield from (Attempt(operation, place, text) for text in texts[number % share :: share])


def words_under(data: Any, name: str) -> set[str]:
    """Every string that stands under this name, at any depth."""
    if isinstance(data, list):
        return {word for inner in data for word in words_under(inner, name)}
    if not isinstance(data, dict):
        return set()
    found = {word for inner in data.values() for word in words_under(inner, name)}
    value = data.get(name)
    return found | {word for word in (value if isinstance(value, list) else [value]) if isinstance(word, str)}


def findings(attempt: Attempt, response: httpx.Response, seconds: float) -> str | None:
    """What is wrong with the answer; a text that was taken is shown as it was sent, cleaned."""
    documented = set(attempt.operation.reference["responses"])
    if str(response.status_code) not in documented or response.status_code >= 500:
        return f"{response.status_code} is not documented: {response.text[:300]}"
    if seconds > ANSWERS_WITHIN:
        return f"took {seconds:.1f} s"
    if MARK in str(response.headers):
        return "a header was split"
    if response.status_code >= 300 or attempt.place.place != "body" or attempt.operation.name in AS_IT_STANDS:
        return None
    named = next(str(step) for step in reversed(attempt.place.steps) if isinstance(step, str))
    shown = {word.casefold() for word in words_under(response.json().get("data"), named)}
    is_literal = not shown or named in MARKUP or cleaned(attempt.text).casefold() in shown
    return None if is_literal else f"shown as {sorted(shown)[:5]}"


# Tests


@pytest.mark.timeout(600)
@pytest.mark.parametrize("share", FORMS)
@pytest.mark.parametrize("operation", WITH_TEXTS, ids=lambda operation: operation.name)
async def test_no_text_means_anything(
    http: httpx.AsyncClient, street: Street, operation: Operation, share: int
) -> None:
    door = asyncio.Semaphore(AT_ONCE)
    taken = 0

    async def tried(attempt: Attempt) -> str | None:
        nonlocal taken
        async with door:
            began = time.monotonic()
            response = await attempt.sent(http, street)
        taken += response.status_code < 300
        found = findings(attempt, response, time.monotonic() - began)
        return f"{attempt.place} {attempt.text[:40]!r}: {found}" if found else None

    found = await asyncio.gather(*(tried(attempt) for attempt in attempts(operation, share)))
    print(f"{operation.name}: {len(found)} texts in {len(operation.texts)} places, {taken} taken")
    assert not [one for one in found if one]


@pytest.mark.parametrize("operation", WITH_BODIES, ids=lambda operation: operation.name)
async def test_what_no_text_can_have_is_400(http: httpx.AsyncClient, street: Street, operation: Operation) -> None:
    """NUL and half a surrogate pair in every string of a body, and a text that would take minutes to normalise."""
    for place in operation.texts:
        if place.place != "body":
            continue
        for text in UNREADABLE:
            answer = await Attempt(operation, place, text).sent(http, street)
            assert answer.status_code == 400, f"{place} {text!r}: {answer.text[:300]}"
        began = time.monotonic()
        answer = await Attempt(operation, place, IMMENSE).sent(http, street)
        assert answer.status_code in {400, 413}, f"{place}: {answer.text[:300]}"
        assert time.monotonic() - began < 2, place


LIBERTIES = {
    "deep list": '"zz":' + "[" * 10_000 + "]" * 10_000,
    "deep object": '"zz":' + '{"a":' * 10_000 + "1" + "}" * 10_000,
    "NaN": '"zz":NaN',
    "Infinity": '"zz":-Infinity',
    "beyond a double": '"zz":1e400',
    "10,000 digits": '"zz":' + "9" * 10_000,
    "a huge list": f'"zz":[{"0," * 30_000}0]',
}


@pytest.mark.parametrize("operation", WITH_BODIES, ids=lambda operation: operation.name)
async def test_json_that_takes_liberties_is_400_on_every_operation(
    http: httpx.AsyncClient, street: Street, operation: Operation
) -> None:
    """Within a second, and naming what is wrong."""
    text = json.dumps(valid_bodies(street.ids)[operation.name])
    first = next(iter(json.loads(text)))
    texts = {name: f"{text[:-1]},{liberty}}}" for name, liberty in LIBERTIES.items()}
    texts |= {"twice": f'{text[:-1]},"{first}":null}}', "trailing": text + "{}", "cut": text[:-1], "no UTF-8": ""}
    headers = street.caller(operation).bearer | {"Content-Type": "application/json"}
    path = operation.path.format_map({one.name: street.ids.get(one.name, uuid4()) for one in operation.ids})
    for name, content in texts.items():
        began = time.monotonic()
        answer = await http.request(
            operation.method,
            path,
            content=content or b'{"zz":"\xff"}',
            headers=headers | {"Idempotency-Key": uuid4().hex},
        )
        assert answer.status_code == 400, f"{name}: {answer.status_code} {answer.text[:300]}"
        assert answer.json()["error"]["details"], name
        assert time.monotonic() - began < 1, name


async def test_a_wildcard_in_a_search_finds_itself_only(http: httpx.AsyncClient, street: Street) -> None:
    vendor, buyer, word = street.world.vendor, street.world.buyer, f"Wild{uuid4().hex[:8]}"
    titles = {sign: f"{word} a{sign}c" for sign in ("%", "_", "\\", "b", "'", "*")}
    for number, title in enumerate(titles.values()):
        (await vendor.lists(product(f"{word}-{number}", title))).expect(201)

    async def listed() -> bool:
        return len(await buyer.browses(q=word)) == len(titles)

    await eventually(listed, within=15)
    for sign, title in titles.items():
        for found in (
            await buyer.browses(q=f"{word} a{sign}c"),
            (await vendor.get("/api/v1/vendor/products", q=f"{word} a{sign}c")).expect(200)["products"],
        ):
            assert [one["title"] for one in found] == [title]


@pytest.mark.parametrize(
    "spelled",
    [str.upper, lambda email: f" {email}\t", lambda email: unicodedata.normalize("NFD", email)],
    ids=["capitals", "blanks", "decomposed"],
)
async def test_an_email_has_one_account_however_it_is_spelled(
    http: httpx.AsyncClient, database: asyncpg.Connection, spelled: Any
) -> None:
    email = unicodedata.normalize("NFC", f"jos\u00e9-{uuid4().hex[:12]}@example.net")
    body = valid_bodies({})["POST /api/v1/auth/register"] | {"email": email}
    (await http.post("/api/v1/auth/register", json=body)).raise_for_status()
    again = body | {"email": spelled(email), "password": f"other-{PASSWORD}", "company_name": uuid4().hex}
    assert (await http.post("/api/v1/auth/register", json=again)).status_code in {401, 409}
    login = await http.post("/api/v1/auth/login", json={"email": spelled(email), "password": PASSWORD})
    assert login.status_code == 200
    assert await database.fetchval("select count(*) from identity.users where email = $1", email) == 1


async def test_no_text_has_written_a_line_of_a_log_or_a_key_of_redis(stack: Stack, street: Street) -> None:
    """After all of the above: logs are one JSON object a line, whatever was sent."""
    kept = redis.asyncio.from_url(stack.servers.redis.url, protocol=2)
    assert not await kept.keys(f"*{MARK}*")
    await kept.aclose()
    lines = 0
    for service in stack.services:
        for line in stack.process(service).log.split("\n"):
            assert not line.lstrip().startswith(MARK), f"{service}: {line[:200]}"
            assert "\x1b" not in line, f"{service}: {line[:200]}"
            lines += line.startswith("{")
            if line.startswith("{"):
                json.loads(line)
    assert lines > 100
