from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlmodel import Field, SQLModel

from chassis.db import service_metadata
from chassis.db.columns import cents, choice, instant, jsonb, short_text
from chassis.manifest import Service
from chassis.settings import ServiceSettings
from contracts.event import Event

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


SERVICE = Service(name="sample", settings=ServiceSettings, metadata=METADATA, emits={ThingSaid, OtherSaid})
