"""What media says, what is said to it of its use, and its internal answers (spec 1.10, 3, 12.3, 12.4)."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event, Snapshot, Wire

MediaKind = Literal["product", "ads", "pdf", "license_doc", "coa", "manifest", "user", "store", "other"]
MediaStatus = Literal[
    "pending", "uploaded", "processing", "ready", "failed", "delete_requested", "deleted", "delete_failed"
]
EntityType = Literal["license", "ad", "product_gallery", "product_coa", "store_logo", "store_banner"]
PROTECTED: frozenset[EntityType] = frozenset({"license", "ad"})
"""While one of these holds a medium, nobody may delete it."""


class MediaChanged(Snapshot, topic="media.media_changed.v1", aggregate="media", key="media_id"):
    """A medium's public state; also the answer of GET /internal/v1/media/{id}."""

    media_id: UUID
    store_id: UUID
    kind: MediaKind
    status: MediaStatus
    mime_type: str
    size_bytes: Annotated[int, Field(strict=True, gt=0)]
    file_name: str
    gcs_key: str
    public_url: str | None = None
    uploaded_at: datetime | None = None


class Attachment(Event):
    """An entity holds a medium from now on. The owner of the entity chooses the id, one for each use."""

    attachment_id: UUID
    media_id: UUID
    entity_type: EntityType
    entity_id: UUID
    store_id: UUID
    gcs_key: str
    attached_at: datetime


class Detachment(Event):
    """The use is over, for good; with `purge` the medium goes too, once nothing else holds it."""

    attachment_id: UUID
    media_id: UUID
    entity_type: EntityType
    entity_id: UUID
    store_id: UUID
    detached_at: datetime
    purge: bool = False


class ReadUrlsRequest(Wire):
    """POST /internal/v1/media/read-urls."""

    media_ids: Annotated[list[UUID], Field(min_length=1, max_length=100)]


class ReadUrl(Wire):
    """`url` is null for a medium that is unknown or has nothing to read (yet, or any more)."""

    media_id: UUID
    url: str | None = None
    expires_at: datetime | None = None


class ReadUrls(Wire):
    """One entry for each id, in the order they were asked for."""

    urls: list[ReadUrl]


class MediaReference(Wire):
    attachment_id: UUID
    entity_type: EntityType
    entity_id: UUID


class MediaReferences(Wire):
    """GET /internal/v1/media-references/{media_id}: the protected uses that the asked service knows of."""

    media_id: UUID
    references: list[MediaReference]
