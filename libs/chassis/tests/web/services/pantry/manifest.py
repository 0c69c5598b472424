"""Everything the pantry is: a table, doors of every kind, an event it hears itself, a job and a command."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid4

import typer
from pydantic import Field
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, Uuid, text

from chassis.db import Tx, service_metadata
from chassis.floor import Floor
from chassis.idempotency import Stored
from chassis.jobs import JobRun
from chassis.manifest import Command, Job, Service
from chassis.settings import ServiceSettings
from chassis.telemetry import get_logger
from chassis.web import (
    ADMIN,
    AGENT,
    ANYONE,
    BEARER,
    OMP,
    OPEN,
    SIGNED_IN,
    WEEK,
    Answer,
    Body,
    Caller,
    Cents,
    Email,
    Name,
    PageQuery,
    Percent,
    Quantity,
    Router,
    member,
    page_of,
    reply,
    reply_page,
    required,
    services,
    vendor,
)
from contracts.event import Event
from kernel.page import Page
from kernel.refusal import NotFound, RateLimited, StateConflict, Unavailable


def pantry_metadata() -> MetaData:
    metadata = service_metadata("pantry")
    Table(
        "jars",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("store_id", Uuid, nullable=False),
        Column("name", Text, nullable=False, unique=True),
        Column("opened", Integer, nullable=False, server_default=text("0")),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("clock_now()")),
    )
    return metadata


class JarNew(Body):
    name: Name
    email: Email | None = None
    weight_cents: Cents = 0
    discount: Percent | None = None
    count: Annotated[Quantity, Field(ge=1)] = 1


class Jar(Body):
    id: UUID
    name: str
    opened: int


class Mishap(Body):
    how: str


class Registration(Body):
    email: Email
    password: str


class JarOpened(Event, topic="pantry.jar_opened.v1", aggregate="jar", key="jar_id"):
    jar_id: UUID


async def hear_of_a_jar(tx: Tx, event: JarOpened) -> None:
    """The pantry hears itself, so that one process shows the whole way of an event."""
    log.info("jar.heard", jar_id=event.jar_id, request_id=tx.request_id)


class Gate:
    """Holds endpoints back until the test lets them go."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Event()
        self.away = False

    async def pass_through(self) -> None:
        self.arrived.set()
        await self.open.wait()

    def let_others_through(self) -> asyncio.Event:
        """Whoever waits goes on waiting for the event that is returned."""
        held, self.open = self.open, asyncio.Event()
        self.open.set()
        return held

    def shut(self) -> None:
        self.open.clear()
        self.arrived.clear()


log = get_logger("pantry")
GATE = Gate()
router = Router(prefix="/api/v1", tags=["jars"])


@router.post("/jars", allow=member(OMP), answers=Jar, status=201)
async def create_jar(call: Caller, body: JarNew) -> Answer:
    async with call.transaction() as tx:
        row = await tx.fetchrow(
            "insert into jars (id, store_id, name) values ($1, $2, $3) returning *", uuid4(), call.store, body.name
        )
        assert row is not None
        return tx.answer(Jar(id=row["id"], name=row["name"], opened=0))


@router.get("/jars", allow=member(), answers=page_of("items", Jar))
async def list_jars(call: Caller, query: PageQuery) -> Answer:
    async with call.reader() as db:
        rows = await db.fetch("select * from jars where store_id = $1 limit $2", call.store, query.limit)
    return reply_page("items", Page(rows, None), lambda row: Jar(id=row["id"], name=row["name"], opened=row["opened"]))


@router.get("/jars/{jar_id}", allow=member(), answers=Jar)
async def read_jar(call: Caller, jar_id: UUID) -> Answer:
    async with call.reader() as db:
        row = await db.fetchrow("select * from jars where id = $1 and store_id = $2", jar_id, call.store)
    if row is None:
        raise NotFound
    return reply(Jar(id=row["id"], name=row["name"], opened=row["opened"]))


@router.post("/jars/{jar_id}/open", allow=vendor(OMP, verified=True), key=required(keep=WEEK), answers=Jar)
async def open_jar(call: Caller, jar_id: UUID) -> Answer:
    await GATE.pass_through()
    async with call.transaction() as tx:
        row = await tx.fetchrow("update jars set opened = opened + 1 where id = $1 returning *", jar_id)
        if row is None:
            raise NotFound
        tx.emit(JarOpened(jar_id=jar_id))
        return tx.answer(Jar(id=jar_id, name=row["name"], opened=row["opened"]))


@router.post("/jars/{jar_id}/drop", allow=member(OMP), key=required(), reasons=("transition",))
async def drop_jar(call: Caller, jar_id: UUID) -> Answer:
    async with call.transaction() as tx:
        await tx.run("update jars set opened = -1 where id = $1", jar_id)
        tx.refuse(StateConflict("transition", "the jar is broken"))


@router.post("/mishaps", allow=member(OMP))
async def have_mishap(call: Caller, body: Mishap) -> Answer:
    async with call.transaction() as tx:
        await tx.run("update jars set opened = opened + 1")
        raise {
            "crash": RuntimeError("secret detail of joe@example.org"),
            "away": Unavailable("catalog"),
            "limit": RateLimited(retry_after=3),
            "state": StateConflict("transition"),
        }[body.how]


async def mint_again(call: Caller, stored: Stored) -> Answer:
    return reply({**stored.data, "refresh_token": "second"})


@router.post("/register", allow=ANYONE, keyed_by="email", status=201, replay=mint_again)
async def register(call: Caller, body: Registration) -> Answer:
    async with call.transaction() as tx:
        await tx.run("insert into jars (id, store_id, name) values ($1, $1, $2)", uuid4(), body.email)
        return tx.answer({"email": body.email, "refresh_token": "first"}, unstored={"refresh_token"})


@router.post("/jars/{jar_id}/age", allow=member(OMP), answers=Jar)
async def age_jar(call: Caller, jar_id: UUID) -> Answer:
    """Two steps: what the first has done stays when the second cannot be taken."""
    async with call.step() as tx:
        await tx.run("update jars set opened = opened + 10 where id = $1", jar_id)
    await GATE.pass_through()
    if GATE.away:
        raise Unavailable("catalog")
    async with call.transaction() as tx:
        opened = await tx.fetchval("update jars set opened = opened + 1 where id = $1 returning opened", jar_id)
        return tx.answer(Jar(id=jar_id, name="aged", opened=opened))


@router.post("/refresh", allow=BEARER)
async def refresh(call: Caller) -> Answer:
    return reply({"bearer": call.bearer, "user_id": call.user_id, "actor": str(call.actor)})


@router.get("/me", allow=SIGNED_IN)
async def who_am_i(call: Caller) -> Answer:
    return reply({"user_id": call.user, "request_id": call.request_id})


@router.get("/agent/rounds", allow=AGENT)
async def agent_rounds(call: Caller) -> Answer:
    return reply(None)


@router.get("/admin/stores", allow=ADMIN)
async def admin_stores(call: Caller) -> Answer:
    return reply(None)


machines = Router(tags=["machines"])


@machines.get("/.well-known/jwks.json", allow=OPEN)
async def key_set() -> Answer:
    return Answer(b'{"keys":[]}')


@machines.post("/internal/v1/jars/count", allow=services("orders"))
async def count_jars(call: Caller, body: Mishap) -> Answer:
    return reply({"service": call.service, "store_id": call.store_id})


async def count_words(_floor: Floor, words: Sequence[str]) -> None:
    typer.echo(f"{len(words)} words: {' '.join(words)}")


async def count_jars_daily(run: JobRun) -> None:
    async with run.db.reader() as db:
        log.info("jars.counted", jars=await db.fetchval("select count(*) from jars"))


async def watch_the_door(_floor: Floor, stop: asyncio.Event) -> None:
    log.info("door.watched")
    await stop.wait()


SERVICE = Service(
    name="pantry",
    settings=ServiceSettings,
    metadata=pantry_metadata(),
    routers=(router, machines),
    emits={JarOpened},
    consumes={JarOpened: hear_of_a_jar},
    jobs={"count-jars": Job(every=timedelta(days=1), run=count_jars_daily)},
    commands={"count-words": Command("count the words given", count_words)},
    parts={"door-watch": watch_the_door},
)
