"""Nothing that is secret, and nothing about people, is written down anywhere (spec 16.3, F-I12, P30).

Somebody with a canary in every personal field goes through the house, is refused in every way, and meets a defect. Then
all that the house has written is searched: logs of every process, events, held events, audit rows, stored answers and
the bodies of its refusals.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import httpx
import pytest
from faults import arm
from markets import Market, at_rest

from packhouse.actors import OKLAHOMA_CITY, Admin, Buyer, Reply
from packhouse.eventually import eventually
from packhouse.stack import Stack

SERVICES = ("identity", "media", "catalog", "orders")
ARGON2 = "$argon2"
TOLD_TO_OTHERS = {
    "identity.store_changed.v1": {"phone", "email", "address"},
    "orders.order_changed.v1": {"shipping_address"},
}
"""What these events tell of a store or an order by their contract (spec 14); nothing else of it may be in any event."""

EVENTS = " union all ".join(
    f"select '{service}.{table}', type, payload from {service}.{table}"
    for service in SERVICES
    for table in ("outbox", "outbox_archive")
)
TEXTS = " union all ".join(
    f"select '{service}.inbox_held', encode(body, 'escape') from {service}.inbox_held"
    f" union all select '{service}.inbox_held', error from {service}.inbox_held"
    f" union all select '{service}.audit_logs', row_to_json(a)::text from {service}.audit_logs a"
    f" union all select '{service}.job_leases', last_result from {service}.job_leases"
    for service in SERVICES
)
STORED_ANSWERS = " union all ".join(
    f"select '{service}.idempotency_records', encode(body, 'escape') from {service}.idempotency_records"
    for service in SERVICES
)
Found = tuple[str, str]
"""Where, and what."""


@dataclass
class Person:
    """`about` are canaries of the person, `secrets` those that open a door; tokens join them as they are given."""

    mark: str = field(default_factory=lambda: uuid4().hex)
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.secrets |= {"password": f"pass-{self.mark}", "wrong password": f"wrong-{self.mark}", "hash": ARGON2}

    @property
    def email(self) -> str:
        return f"canary.{self.mark}@example.net"

    @property
    def about(self) -> dict[str, str]:
        phone = f"+1405{int(self.mark[:8], 16):010d}"
        names = {"first name": f"First{self.mark}", "last name": f"Last{self.mark}", "e-mail": self.email}
        return names | {"phone": phone, "line1": f"{self.mark} Hidden Lane", "line2": f"Back door {self.mark}"}

    @property
    def address(self) -> dict[str, Any]:
        return {**OKLAHOMA_CITY, "line1": self.about["line1"], "line2": self.about["line2"]}

    def account(self, **changes: Any) -> dict[str, Any]:
        return {
            "first_name": self.about["first name"],
            "last_name": self.about["last name"],
            "email": self.email,
            "password": self.secrets["password"],
            **changes,
        }

    def application(self, company_name: str, **changes: Any) -> dict[str, Any]:
        store = {"company_name": company_name, "store_type": "buyer", "address": self.address, "accept_tos": True}
        return {**self.account(phone=self.about["phone"]), **store, **changes}


@dataclass
class Ear:
    """Hears every answer: tokens become canaries, refusals are kept to be searched."""

    person: Person
    refusals: list[str] = field(default_factory=list)

    async def hear(self, response: httpx.Response) -> None:
        await response.aread()
        if response.status_code >= httpx.codes.BAD_REQUEST:
            self.refusals.append(response.text)
            return
        token = response.headers.get("X-PF-Token")
        if token:
            self._keep("access token", token)
            self._keep("access token's signature", token.rpartition(".")[2])
        data = response.json().get("data") if response.content else None
        if isinstance(data, dict):
            for name in ("refresh_token", "access_token", "invite_token"):
                if data.get(name):
                    self._keep(name, data[name])

    def _keep(self, name: str, value: str) -> None:
        self.person.secrets[f"{name} {len(self.person.secrets)}"] = value


# What is searched


def findings(texts: Iterator[Found], canaries: Mapping[str, str]) -> list[Found]:
    """Each place with each canary in it, as it is or as a URL writes it."""
    spellings = {name: {value, quote(value, safe="")} for name, value in canaries.items()}
    return sorted(
        {
            (place, name)
            for place, text in texts
            for name, values in spellings.items()
            if any(value in text for value in values)
        }
    )


def logs(stack: Stack) -> Iterator[Found]:
    """Of every process, servers included."""
    for path in sorted(stack.home.log("any").parent.glob("*.log")):
        yield path.name, path.read_text(encoding="utf-8", errors="replace")


async def texts_of(database: asyncpg.Connection, query: str) -> list[Found]:
    return [(place, text) for place, text in await database.fetch(query) if text]


async def events_of(database: asyncpg.Connection) -> list[Found]:
    """All payloads without what their contract tells of a store or an order."""
    found = []
    for place, topic, payload in await database.fetch(EVENTS):
        told = TOLD_TO_OTHERS.get(topic, set())
        rest = {name: value for name, value in json.loads(payload).items() if name not in told}
        found.append((f"{place} {topic}", json.dumps(rest)))
    return found


async def whole_events_of(database: asyncpg.Connection) -> list[Found]:
    return [(f"{place} {topic}", payload) for place, topic, payload in await database.fetch(EVENTS)]


# What happens


async def comes_in(person: Person, buyer: Buyer) -> None:
    """Registers, and is refused in every way in which one can be."""
    ask, company = partial(buyer.post, "/api/v1/auth/register"), f"Company {person.mark[:8]}"
    (await ask(person.application(company))).expect(200)
    (await ask(person.application(f"{company} 2", password=person.secrets["wrong password"]))).expect(401)
    (await ask(person.application(company))).expect(409)
    for wrong in ({"email": f"{person.email}@"}, {"role": person.email}, {"phone": [person.about["phone"]]}):
        (await ask(person.application(f"{company} 3", **wrong))).expect(400)
    house = Admin(buyer.http)
    register = partial(house.post, "/api/v1/admin/auth/register")
    (await register(person.account())).expect(409)
    (await register({**person.account(), person.email: person.secrets["password"]})).expect(400)


async def signs_in_and_out(person: Person, buyer: Buyer) -> None:
    buyer.email = person.email
    (await buyer.logs_in(person.secrets["wrong password"])).expect(401)
    (await buyer.logs_in(person.secrets["password"])).expect(200)
    used = buyer.refresh_token
    refreshed = (await buyer.post("/api/v1/auth/refresh", {"refresh_token": used})).expect(200)
    (await buyer.post("/api/v1/auth/refresh", {"refresh_token": refreshed["refresh_token"]})).expect(200)
    (await buyer.post("/api/v1/auth/refresh", {"refresh_token": used})).expect(401)
    await buyer.get("/api/v1/stores/me")
    (await buyer.logs_in(person.secrets["password"])).expect(200)
    (await buyer.logs_out()).expect(200)
    await buyer.get("/api/v1/stores/me")
    (await buyer.logs_in(person.secrets["password"])).expect(200)


async def asks_oddly(person: Person, buyer: Buyer) -> None:
    """With personal data where ids, filters and cursors belong."""
    for odd in (person.email, person.secrets["password"], person.about["last name"]):
        (await buyer.get(f"/api/v1/orders/{odd}")).expect(400)
        (await buyer.get("/api/v1/products", state="OK", q=odd)).expect(200)
        (await buyer.get("/api/v1/orders", cursor=odd)).expect(400)
        (await buyer.get(f"/api/v1/nowhere/{odd}")).expect(404)


async def trades(person: Person, market: Market, buyer: Buyer) -> None:
    """Changes the profile, buys to a private address twice with one key, and pays another body for it."""
    profile = {"phone": person.about["phone"], "email": person.email, "description": "Wholesale"}
    (await buyer.put("/api/v1/stores/me", profile)).expect(200)
    (await market.admin.grants_standing(str(buyer.store_id), subscribed=False)).expect(200)
    await market.lists(market.vendors[0], f"SECRET-{person.mark[:6]}", units=5)

    body = {"cart_id": str(uuid4()), "shipping_address": person.address, "payment_method": "cash"}

    async def may_buy() -> bool:
        return (await checks_out(buyer, body)).status != 403

    await eventually(may_buy, within=15)
    body["cart_id"] = await market.filled_cart(buyer, {f"SECRET-{person.mark[:6]}": 1})
    first = await checks_out(buyer, body)
    assert (await checks_out(buyer, body)).data == first.expect(201)
    (await checks_out(buyer, {**body, "billing_address": person.address})).expect(409)
    (await checks_out(buyer, {**body, "shipping_address": {**person.address, "state": person.email}})).expect(400)
    (await market.vendors[0].decides(first.data["vendor_orders"][0]["order_id"], "accept")).expect(200)


async def checks_out(buyer: Buyer, body: dict[str, Any]) -> Reply:
    return await buyer.post("/api/v1/checkout", body, key=f"key-{body['cart_id']}")


async def meets_a_defect(stack: Stack, person: Person, buyer: Buyer) -> None:
    """An unknown exception in the middle of a registration: its stack goes to the log."""
    arm(stack, "identity", "outbox.before_commit=error")
    try:
        answer = await buyer.post("/api/v1/auth/register", person.application(f"Unlucky {person.mark[:8]}"))
    finally:
        arm(stack, "identity", "")
    assert answer.status in {500, 503}


@pytest.fixture(scope="module")
def person() -> Person:
    return Person()


async def test_no_secret_or_personal_data_in_logs(
    stack: Stack, market: Market, http: httpx.AsyncClient, database: asyncpg.Connection, person: Person
) -> None:
    ear = Ear(person)
    http.event_hooks = {"response": [ear.hear]}
    buyer = Buyer(http, f"Company {person.mark[:8]}", email=person.email)
    await comes_in(person, buyer)
    await signs_in_and_out(person, buyer)
    await asks_oddly(person, buyer)
    await trades(person, market, buyer)
    await meets_a_defect(stack, person, buyer)
    await eventually(lambda: at_rest(database), within=30)

    private = {**person.about, **person.secrets}
    searched = {
        "logs": list(logs(stack)),
        "refusals": [("refusal", refusal) for refusal in ear.refusals],
        "rows": await texts_of(database, TEXTS),
        "events": await events_of(database),
    }
    found = {name: findings(iter(texts), private) for name, texts in searched.items()}
    found["whole events"] = findings(iter(await whole_events_of(database)), person.secrets)
    found["stored answers"] = findings(iter(await texts_of(database, STORED_ANSWERS)), person.secrets)
    assert not any(found.values()), found
    assert {name for name, texts in searched.items() if not texts} == set()
    assert len(ear.refusals) > 20
    assert sum(name.startswith("refresh_token") for name in person.secrets) >= 5
    print({name: len(texts) for name, texts in searched.items()}, f"{len(private)} canaries, 0 found")


async def test_the_scan_finds_what_is_planted(stack: Stack, database: asyncpg.Connection, person: Person) -> None:
    """A line in a log, a word in an audit row, a held event and an event that nobody has sent."""
    planted = stack.home.log("planted")
    planted.write_text(f'{{"event": "oops", "to": "{quote(person.email, safe="")}"}}\n')
    try:
        assert findings(logs(stack), {"e-mail": person.email}) == [("planted.log", "e-mail")]
    finally:
        planted.unlink()
    held = "insert into orders.inbox_held (source, aggregate_type, aggregate_id, seq, epoch, event_id, topic, baseline,"
    held += " body, reason) values ('x', 'x', gen_random_uuid(), 2, 1, gen_random_uuid(), 'x', false, $1, 'waiting')"
    said = (
        "insert into identity.outbox_archive (id, event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch,"
    )
    said += (
        " payload) values (0, gen_random_uuid(), 'x', 'x', gen_random_uuid(), 1, 1, jsonb_build_object('to', $1::text))"
    )
    undone = database.transaction()
    await undone.start()
    try:
        await database.execute(held, person.email.encode())
        await database.execute(said, person.secrets["password"])
        rows, events = await texts_of(database, TEXTS), await events_of(database)
    finally:
        await undone.rollback()
    assert findings(iter(rows), {"e-mail": person.email}) == [("orders.inbox_held", "e-mail")]
    assert findings(iter(events), person.secrets) == [("identity.outbox_archive x", "password")]
