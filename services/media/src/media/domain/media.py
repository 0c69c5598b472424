"""Kinds of media, what each may be, where it lies, and the states it goes through (spec 3.1, 3.2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from kernel.machine import Machine
from kernel.refusal import Invalid

SIZE_MAX: Final = 20_971_520
"""20 MiB."""
FILE_NAME_MAX: Final = 255


class Kind(StrEnum):
    PRODUCT = "product"
    ADS = "ads"
    PDF = "pdf"
    LICENSE_DOC = "license_doc"
    COA = "coa"
    MANIFEST = "manifest"
    USER = "user"
    STORE = "store"
    OTHER = "other"


class Mime(StrEnum):
    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"
    MP4 = "video/mp4"
    WEBM = "video/webm"
    PDF = "application/pdf"


class Status(StrEnum):
    PENDING = "pending"
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    DELETE_REQUESTED = "delete_requested"
    DELETED = "deleted"
    DELETE_FAILED = "delete_failed"


class Entity(StrEnum):
    """What may hold a medium."""

    LICENSE = "license"
    AD = "ad"
    PRODUCT_GALLERY = "product_gallery"
    PRODUCT_COA = "product_coa"
    STORE_LOGO = "store_logo"
    STORE_BANNER = "store_banner"


IMAGES: Final = frozenset({Mime.PNG, Mime.JPEG, Mime.WEBP, Mime.GIF})
"""What a browser may show where it stands; everything else is offered as a file to keep."""
_SHOWN: Final = IMAGES | {Mime.MP4, Mime.WEBM}
_PAPER: Final = frozenset({Mime.PDF})

MIMES: Final[Mapping[Kind, frozenset[Mime]]] = {
    Kind.PRODUCT: _SHOWN,
    Kind.ADS: _SHOWN,
    Kind.PDF: _PAPER,
    Kind.COA: _PAPER,
    Kind.MANIFEST: _PAPER,
    Kind.LICENSE_DOC: _PAPER | IMAGES,
    Kind.USER: IMAGES,
    Kind.STORE: IMAGES,
    Kind.OTHER: frozenset(Mime),
}
PUBLIC: Final = frozenset({Kind.PRODUCT, Kind.ADS, Kind.STORE, Kind.USER})
"""Kinds that may be served without a signature; all others are private always."""
EXTENSIONS: Final[Mapping[Mime, str]] = {
    Mime.PNG: "png",
    Mime.JPEG: "jpg",
    Mime.WEBP: "webp",
    Mime.GIF: "gif",
    Mime.MP4: "mp4",
    Mime.WEBM: "webm",
    Mime.PDF: "pdf",
}

READABLE: Final = frozenset({Status.UPLOADED, Status.READY})
LOST: Final = frozenset({Status.FAILED, Status.DELETED})
"""No object may lie in the store for these: whatever comes there goes again."""

STATES: Final = Machine[Status](
    {
        (Status.PENDING, "accept"): Status.UPLOADED,
        (Status.PENDING, "refuse"): Status.FAILED,
        (Status.PENDING, "request_delete"): Status.DELETE_REQUESTED,
        (Status.UPLOADED, "request_delete"): Status.DELETE_REQUESTED,
        (Status.READY, "request_delete"): Status.DELETE_REQUESTED,
        (Status.FAILED, "request_delete"): Status.DELETE_REQUESTED,
        (Status.DELETE_REQUESTED, "finish"): Status.DELETED,
        (Status.DELETE_FAILED, "finish"): Status.DELETED,
        (Status.DELETE_REQUESTED, "give_up"): Status.DELETE_FAILED,
        (Status.UPLOADED, "vanish"): Status.DELETED,
        (Status.READY, "vanish"): Status.DELETED,
        (Status.DELETE_REQUESTED, "vanish"): Status.DELETED,
        (Status.DELETE_FAILED, "vanish"): Status.DELETED,
    }
)
"""Restoring what somebody has attached meanwhile leads back to the state before, which the row remembers."""

_KEY = re.compile(
    r"(?P<store>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(?P<kind>[a-z_]+)/"
    r"(?P<media>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?P<ending>[a-z0-9]+)"
)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """`{store_id}/{kind}/{media_id}.{ext}`: made by us alone, so that no name of a client becomes a path."""

    store_id: UUID
    kind: Kind
    media_id: UUID
    ending: str

    @classmethod
    def of(cls, store_id: UUID, kind: Kind, media_id: UUID, mime: Mime) -> Self:
        return cls(store_id, kind, media_id, EXTENSIONS[mime])

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for a text that is not of our shape."""
        found = _KEY.fullmatch(text)
        if found is None or found["kind"] not in set(Kind) or found["ending"] not in EXTENSIONS.values():
            return None
        return cls(UUID(found["store"]), Kind(found["kind"]), UUID(found["media"]), found["ending"])

    def __str__(self) -> str:
        return f"{self.store_id}/{self.kind}/{self.media_id}.{self.ending}"


def require_mime_of_kind(kind: Kind, mime: Mime) -> None:
    if mime not in MIMES[kind]:
        raise Invalid.field("mime_type")


def require_plain_file_name(name: str) -> None:
    """A name, not a path: it is shown to people and told to browsers."""
    if "/" in name or "\\" in name or name in {".", ".."}:
        raise Invalid.field("file_name")


def disposition(mime: Mime) -> str:
    """How a browser shall take a signed read: only pictures are shown in place (reliability 3.14)."""
    return "inline" if mime in IMAGES else "attachment"
