"""The schema of newservice."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from chassis.db import service_metadata
from chassis.db.columns import instant, long_text, short_text

METADATA = service_metadata("newservice")


class Table(SQLModel):
    metadata = METADATA


class EntryRecord(Table, table=True):
    """`title_key` is the title as it is compared."""

    __tablename__ = "entries"
    id: UUID = Field(primary_key=True)
    store_id: UUID
    title: str = short_text(longest=200)
    title_key: str = long_text()
    created_at: datetime = instant()
    __table_args__ = (
        UniqueConstraint("store_id", "title_key"),
        Index("ix_entries_newest", "store_id", "created_at", "id"),
    )
