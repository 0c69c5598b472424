"""A medium as identity knows it, what it uses media for, and which ones it may use (spec 3.1, 12.3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.media import EntityType, MediaKind, MediaStatus
from kernel.refusal import Conflict, Invalid, NotFound

IMAGES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
USABLE: frozenset[MediaStatus] = frozenset({"uploaded", "ready"})


class Medium(BaseModel):
    """`doubted`: media has asked who holds it, and may be about to delete it (docs/adr/0015)."""

    model_config = ConfigDict(frozen=True)

    media_id: UUID
    store_id: UUID
    kind: MediaKind
    status: MediaStatus
    mime_type: str
    gcs_key: str
    public_url: str | None
    doubted: bool


@dataclass(frozen=True, slots=True)
class Use:
    """What a medium is held for, and what it must be for that."""

    entity_type: EntityType
    kind: MediaKind
    mime_types: frozenset[str]


LICENCE_SCAN = Use("license", "license_doc", IMAGES | {"application/pdf"})
PICTURES: Mapping[str, Use] = {
    "logo": Use("store_logo", "store", IMAGES),
    "banner": Use("store_banner", "store", IMAGES),
}
"""The pictures of a store, by the name that their columns begin with."""


def demand_usable(medium: Medium | None, use: Use, field: str) -> Medium:
    """The medium, for a store that owns it and for this use.

    Raises NotFound for one that is unknown, foreign or deleted, Invalid for `field` when it is of another kind, and
    Conflict "media_not_uploaded" when it has not arrived, was refused on arrival, or is about to be deleted.
    """
    if medium is None or medium.status == "deleted":
        raise NotFound(message="media not found")
    if medium.kind != use.kind or medium.mime_type not in use.mime_types:
        raise Invalid.field(field)
    if medium.status not in USABLE or medium.doubted:
        raise Conflict("media_not_uploaded", "the media is not uploaded", details={"field": field})
    return medium
