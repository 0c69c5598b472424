"""The schema of media (spec 3.1)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, Uuid, text
from sqlmodel import Field, SQLModel

from chassis.db import service_metadata
from chassis.db.columns import WORDS, choice, counter, instant, long_text, short_text
from media.domain.media import FILE_NAME_MAX, SIZE_MAX, Entity, Kind, Mime, Status

METADATA = service_metadata("media")


class Table(SQLModel):
    metadata = METADATA


def flag() -> Any:
    return Field(sa_type=Boolean, sa_column_kwargs={"nullable": False, "server_default": text("false")})


def status() -> Any:
    """Text that is one of the states, pending to begin with."""
    listed = ", ".join(f"'{word}'" for word in Status)
    info = {"check": f"{{column}} in ({listed})", WORDS: list(Status)}
    return Field(sa_type=Text, sa_column_kwargs={"info": info, "nullable": False, "server_default": text("'pending'")})


def later() -> Any:
    """A moment that has not come yet."""
    return instant(now=False, default=None)


def size() -> Any:
    """Bytes, 1 to 20 MiB."""
    info = {"check": f"{{column}} between 1 and {SIZE_MAX}"}
    return Field(sa_type=BigInteger, sa_column_kwargs={"info": info, "nullable": False})


class MediaRecord(Table, table=True):
    """`former_status` is what a requested deletion returns to; once `deletion_began_at` is set, nothing returns."""

    __tablename__ = "media"
    id: UUID = Field(primary_key=True)
    store_id: UUID
    user_id: UUID
    kind: str = choice(Kind)
    status: str = status()
    former_status: str | None = choice(Status, default=None)
    public_url: str | None = long_text(default=None)
    gcs_key: str = long_text()
    file_name: str = short_text(longest=FILE_NAME_MAX)
    mime_type: str = choice(Mime)
    ocr: str | None = long_text(default=None)
    size_bytes: int = size()
    is_compressed: bool = flag()
    delete_attempts: int = counter(start=0)
    version: int = counter()
    created_at: datetime = instant()
    updated_at: datetime = instant()
    uploaded_at: datetime | None = later()
    verified_at: datetime | None = later()
    processing_started_at: datetime | None = later()
    ready_at: datetime | None = later()
    failed_at: datetime | None = later()
    delete_requested_at: datetime | None = later()
    deletion_began_at: datetime | None = later()
    deleted_at: datetime | None = later()
    __table_args__ = (
        UniqueConstraint("gcs_key"),
        CheckConstraint(
            "(status in ('delete_requested', 'delete_failed')) = (former_status is not null)", name="former_status_kept"
        ),
        Index("ix_media_store_newest", "store_id", "created_at", "id"),
        Index("ix_media_kind", "kind"),
        Index("ix_media_user_id", "user_id"),
        Index("ix_media_status_created_at", "status", "created_at"),
    )


class MediaAttachment(Table, table=True):
    """One use of a medium, for good: only `detached_at` and `purge` are written later, once."""

    __tablename__ = "media_attachments"
    id: UUID = Field(primary_key=True)
    media_id: UUID = Field(sa_type=Uuid, sa_column_args=[ForeignKey("media.media.id", ondelete="RESTRICT")])
    entity_type: str = choice(Entity)
    entity_id: UUID
    store_id: UUID
    gcs_key: str = long_text()
    purge: bool = flag()
    created_at: datetime = instant()
    detached_at: datetime | None = later()
    __table_args__ = (
        Index("ix_media_attachments_entity", "entity_type", "entity_id"),
        Index("ix_media_attachments_media_id", "media_id"),
        {"info": {"app": "select, insert, update"}},
    )
