"""What may be shown with a product: whose media, of which kind, how far uploaded (spec 4.1, 4.2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.media import MediaKind, MediaStatus
from kernel.refusal import Invalid, StateConflict

GALLERY_MAX = 20
USABLE: frozenset[MediaStatus] = frozenset({"uploaded", "ready"})


@dataclass(frozen=True, slots=True)
class Medium:
    """What the projection knows of a medium; one it does not know is no Medium but None."""

    media_id: UUID
    store_id: UUID
    kind: str
    status: str
    gcs_key: str


@dataclass(frozen=True, slots=True)
class Use:
    """Media that a request names in `field`, and the kind they must be of."""

    field: str
    kind: MediaKind
    media_ids: Sequence[UUID]


def pictures(media_ids: Sequence[UUID], field: str = "media_ids") -> Use:
    return Use(field, "product", media_ids)


def certificate(media_id: UUID | None) -> Use:
    """The certificate of analysis, where the request names one."""
    return Use("coa_media_id", "coa", [media_id] if media_id else [])


def obstacle_to_use(medium: Medium | None, store_id: UUID, kind: MediaKind) -> str | None:
    """Why the store cannot use this medium so; None when it can. Another store's medium is like none."""
    if medium is None or medium.store_id != store_id:
        return "is invalid: no such media"
    if medium.kind != kind:
        return f"is invalid: must be of kind {kind}"
    if medium.status not in USABLE:
        return "is invalid: not uploaded, or deleted"
    return None


def unusable(uses: Sequence[Use], known: Mapping[UUID, Medium], store_id: UUID) -> dict[UUID, Invalid]:
    """The refusal of each medium that cannot be used, in the order they are named."""
    found = {}
    for use in uses:
        for media_id in use.media_ids:
            obstacle = obstacle_to_use(known.get(media_id), store_id, use.kind)
            if obstacle:
                found[media_id] = Invalid.field(use.field, obstacle)
    return found


def place_in(gallery: Collection[UUID], media_id: UUID, position: int | None) -> int:
    """Where a picture comes to stand in a gallery; those from there on move up. None means the end."""
    if media_id in gallery:
        raise Invalid.field("media_id", "is invalid: in the gallery already")
    if len(gallery) >= GALLERY_MAX:
        raise Invalid.field("media_id", f"is invalid: a gallery holds {GALLERY_MAX}")
    if position is None:
        return len(gallery)
    if position > len(gallery):
        raise Invalid.field("position", f"must be at most {len(gallery)}")
    return position


def require_another(gallery: Collection[UUID]) -> None:
    """A product keeps at least one picture."""
    if len(gallery) == 1:
        raise StateConflict("last_picture", "a product keeps at least one picture")


def require_picture_for_active(gallery: Collection[UUID]) -> None:
    """An active product always has at least one picture (spec 4.5)."""
    if not gallery:
        raise StateConflict("picture_missing", "an active product needs a picture")
