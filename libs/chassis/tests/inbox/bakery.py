"""Two made-up services: a mill that says what it milled, a baker that hears it. `OVEN` makes handlers misbehave."""

import asyncio
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, Table, Uuid, text

from chassis.db import Reader, Tx, service_metadata
from chassis.inbox import NotYet
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from contracts.event import Event, Snapshot
from kernel.refusal import StateConflict

KILLER, FAILING = 666, 665
"""Numbers that end whatever process bakes them, and that never come out well; until the oven is mended."""
SECRET = "f4b1c0de" * 5
EVENT_MAP = {"mill.grain_milled.v1": frozenset({"baker"}), "mill.sack_changed.v1": frozenset({"baker"})}


class GrainMilled(Event, topic="mill.grain_milled.v1", aggregate="sack", key="sack_id"):
    sack_id: UUID
    number: int


class SackChanged(Snapshot, topic="mill.sack_changed.v1", aggregate="sack", key="sack_id"):
    sack_id: UUID
    weight: int


class DustRaised(Event, topic="mill.dust_raised.v1", aggregate="cloud", key="cloud_id"):
    cloud_id: UUID


MILL_METADATA = service_metadata("mill")
Table(
    "sacks",
    MILL_METADATA,
    Column("id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("weight", Integer, nullable=False),
)

BAKER_METADATA = service_metadata("baker")
Table(
    "loaves",
    BAKER_METADATA,
    Column("n", BigInteger, Identity(always=True), primary_key=True),
    Column("sack_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("baked_at", DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
)
Table(
    "sack_views",
    BAKER_METADATA,
    Column("sack_id", Uuid, primary_key=True),
    Column("source_epoch", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("weight", Integer, nullable=False),
)


class BurntError(Exception):
    """A handler that fails."""


@dataclass
class Oven:
    """How handlers misbehave: for one number of one sack, or now and then."""

    poison: set[tuple[UUID, int]] = field(default_factory=set)
    refuses: set[tuple[UUID, int]] = field(default_factory=set)
    waits_for: set[tuple[UUID, int]] = field(default_factory=set)
    error_rate: float = 0.0
    seconds: float = 0.0
    mended: bool = False
    burnt: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def heat(self, sack_id: UUID, number: int) -> None:
        if number == KILLER and not self.mended:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == FAILING and not self.mended:
            raise BurntError(number)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if (sack_id, number) in self.poison or self.chance.random() < self.error_rate:
            self.burnt += 1
            raise BurntError(number)
        if (sack_id, number) in self.refuses:
            raise StateConflict("burnt", "the loaf is burnt")
        if (sack_id, number) in self.waits_for:
            raise NotYet("yeast")


OVEN = Oven()


async def bake(tx: Tx, event: GrainMilled) -> None:
    await tx.run("insert into loaves (sack_id, number) values ($1, $2)", event.sack_id, event.number)
    await OVEN.heat(event.sack_id, event.number)


async def keep_view(tx: Tx, event: SackChanged) -> None:
    assert tx.cause is not None
    await tx.run(
        """insert into sack_views (sack_id, source_epoch, version, weight) values ($1, $2, $3, $4)
        on conflict (sack_id) do update set
            source_epoch = excluded.source_epoch, version = excluded.version, weight = excluded.weight
        where (sack_views.source_epoch, sack_views.version) <= (excluded.source_epoch, excluded.version)""",
        event.sack_id,
        tx.cause.epoch,
        event.version,
        event.weight,
    )


async def sack_snapshots(
    db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
) -> Sequence[Snapshot]:
    rows = await db.fetch(
        """select * from sacks where ($1::uuid is null or id = $1) and ($2::uuid is null or id > $2)
        order by id limit $3""",
        only,
        after,
        limit,
    )
    return [SackChanged(sack_id=row["id"], version=row["version"], weight=row["weight"]) for row in rows]


class BakerSettings(ServiceSettings):
    mill_url: str = "http://127.0.0.1:9"


MILL = Service(
    name="mill",
    settings=ServiceSettings,
    metadata=MILL_METADATA,
    emits={GrainMilled, SackChanged, DustRaised},
    snapshots={SackChanged: sack_snapshots},
)
BAKER = Service(
    name="baker",
    settings=BakerSettings,
    metadata=BAKER_METADATA,
    consumes={GrainMilled: bake, SackChanged: keep_view},
)
SERVICE = BAKER
