from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from chassis.answer import Answer, reply
from chassis.db import Tx, service_metadata
from chassis.db.columns import cents, choice, instant, jsonb, short_text
from chassis.ids import new_id
from chassis.inbox import NotYet
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from chassis.web import OMP, Body, Caller, Name, Router, member, required, services
from contracts.event import Event
from kernel.refusal import NotFound

METADATA = service_metadata("sample")


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Table(SQLModel):
    metadata = METADATA


class ThingRecord(Table, table=True):
    __tablename__ = "things"

    id: UUID = Field(primary_key=True)
    name: str = short_text(unique=True)
    colour: Colour = choice(Colour, default=Colour.RED)
    price_cents: int = cents(default=0)
    facts: dict[str, Any] | None = jsonb(default=None)
    parent_id: UUID | None = Field(default=None, foreign_key="things.id")
    created_at: datetime = instant()


class ThingSaid(Event, topic="sample.thing_said.v1", aggregate="thing", key="thing_id"):
    thing_id: UUID
    text: str
    number: int = 0


class OtherSaid(Event, topic="sample.other_said.v1", aggregate="other", key="other_id"):
    other_id: UUID


class Undeclared(Event, topic="sample.undeclared.v1", aggregate="thing", key="thing_id"):
    thing_id: UUID


class Told(Event, topic="elsewhere.told.v1", aggregate="tale", key="tale_id"):
    """A fact of another service: `parent` is a thing that must be there before."""

    tale_id: UUID
    text: str
    parent: str | None = None


class Wanted(Body):
    name: Name


router = Router(prefix="/api/v1/things", tags=["things"])
internal = Router(prefix="/internal/v1/things", tags=["internal"])


@router.post("", allow=member(OMP), key=required(), status=201)
async def make_thing(call: Caller, body: Wanted) -> Answer:
    async with call.transaction() as tx:
        thing_id = await _make(tx, body.name, call.scope.store_id)
        tx.audit("thing.make", "thing", thing_id)
        return tx.answer({"id": str(thing_id)}, status=201)


@router.get("/{thing_id}", allow=member())
async def read_thing(call: Caller, thing_id: UUID) -> Answer:
    async with call.reader() as db:
        name = await db.fetchval("select name from things where id = $1 and facts ->> 'owner' = $2::text",
                                 thing_id, str(call.scope.store_id))  # fmt: skip
    if name is None:
        raise NotFound
    return reply({"name": name})


@internal.get("/{thing_id}", allow=services("elsewhere"))
async def read_any_thing(call: Caller, thing_id: UUID) -> Answer:
    async with call.reader() as db:
        return reply({"name": await db.fetchval("select name from things where id = $1", thing_id)})


async def _make(tx: Tx, name: str, owner: UUID) -> UUID:
    thing_id = new_id()
    await tx.run("insert into things (id, name, colour, price_cents, facts) values ($1, $2, 'red', 0, $3)",
                 thing_id, name, {"owner": owner})  # fmt: skip
    tx.emit(ThingSaid(thing_id=thing_id, text=name))
    return thing_id


async def keep_tale(tx: Tx, event: Told) -> None:
    if event.parent and not await tx.fetchval("select 1 from things where name = $1", event.parent):
        raise NotYet(event.parent)
    await _make(tx, event.text, event.tale_id)


SERVICE = Service(
    name="sample",
    settings=ServiceSettings,
    metadata=METADATA,
    routers=(router, internal),
    emits={ThingSaid, OtherSaid},
    consumes={Told: keep_tale},
)
