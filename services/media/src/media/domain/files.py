"""What bytes are, whatever they are called: the beginning of a file decides (spec 3.1, reliability F-I7).

Only the seven types of `Mime` are known here, each by a beginning that no text can have, so SVG, HTML and scripts are
nothing we know. A file of ours that hides markup where browsers look, or asks for no pixels or for more than a screen
can hold, is refused as well.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from media.domain.media import SIZE_MAX, Mime

HEAD_BYTES: Final = 1_048_576
"""How much of a file is read; a JPEG that does not tell its measures within it is none."""
PIXELS_MAX: Final = 100_000_000
_SNIFFED_BYTES: Final = 2_048
"""Browsers that guess look at no more than 1,445 bytes."""

_MARKUP = re.compile(rb"<\s*(?:!doctype|html|head|body|script|svg|iframe|object|embed|\?php)", re.IGNORECASE)
_PDF = re.compile(rb"%PDF-[12]\.\d")
_MP4_BRANDS = {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42",
               b"avc1", b"dash", b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"mp71"}  # fmt: skip
_GIF_HEADER_BYTES = 13
_GIF_BLOCKS = (b"\x21", b"\x2c")
"""An extension, and an image."""
_EBML = b"\x1a\x45\xdf\xa3"
_WEBM_DOCTYPE = b"\x42\x82\x84webm"
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The JPEG segments that tell height and width."""
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})


class Fault(StrEnum):
    """Why what arrived is not what was announced."""

    SIZE = "size"
    DECLARED_TYPE = "declared_type"
    CONTENT = "content"
    MARKUP = "markup"
    PIXELS = "pixels"


@dataclass(frozen=True, slots=True)
class Arrived:
    """An object as it lies in the store: never as a message tells of it."""

    size_bytes: int
    content_type: str
    head: bytes


def fault_of(arrived: Arrived, *, mime: Mime, size_bytes: int) -> Fault | None:
    """What is wrong with an object that was announced as `size_bytes` of `mime`; None when it is just that."""
    if arrived.size_bytes != size_bytes or arrived.size_bytes > SIZE_MAX:
        return Fault.SIZE
    if arrived.content_type != mime:
        return Fault.DECLARED_TYPE
    if mime_of(arrived.head) is not mime:
        return Fault.CONTENT
    if _MARKUP.search(arrived.head[:_SNIFFED_BYTES]):
        return Fault.MARKUP
    if _pixels(mime, arrived.head) > PIXELS_MAX:
        return Fault.PIXELS
    return None


def mime_of(head: bytes) -> Mime | None:
    """The type of a file by its first bytes; None for everything that is not one of ours."""
    return next((mime for mime, is_this in _LOOKS.items() if is_this(head)), None)


def _is_mp4(head: bytes) -> bool:
    box = int.from_bytes(head[:4], "big")
    return head[4:8] == b"ftyp" and 16 <= box <= 256 and box % 4 == 0 and head[8:12] in _MP4_BRANDS  # noqa: PLR2004  a box of brands


def _is_webm(head: bytes) -> bool:
    return head.startswith(_EBML) and _WEBM_DOCTYPE in head[:64]


def _is_gif(head: bytes) -> bool:
    """The signature alone is a word that a script may begin with: behind its colours, a GIF goes on with a block."""
    if not head.startswith((b"GIF87a", b"GIF89a")) or len(head) < _GIF_HEADER_BYTES:
        return False
    flags = head[10]
    colours = 3 << ((flags & 0x07) + 1) if flags & 0x80 else 0
    return head[_GIF_HEADER_BYTES + colours :][:1] in _GIF_BLOCKS


_LOOKS: Final[Mapping[Mime, Callable[[bytes], bool]]] = {
    Mime.PNG: lambda head: head.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
    Mime.JPEG: lambda head: head.startswith(b"\xff\xd8\xff"),
    Mime.GIF: _is_gif,
    Mime.WEBP: lambda head: head.startswith(b"RIFF") and head[8:15] == b"WEBPVP8",
    Mime.MP4: _is_mp4,
    Mime.WEBM: _is_webm,
    Mime.PDF: lambda head: _PDF.match(head) is not None,
}


def _pixels(mime: Mime, head: bytes) -> int:
    """How many a picture asks for by its own words; 0 for what is no picture, too many for one that says none."""
    if mime is Mime.PNG:
        return _area(_big(head[16:20]), _big(head[20:24]))
    if mime is Mime.GIF:
        return _area(_little(head[6:8]), _little(head[8:10]))
    if mime is Mime.JPEG:
        return next(_frames(head), PIXELS_MAX + 1)
    return _webp_pixels(head) if mime is Mime.WEBP else 0


def _area(width: int, height: int) -> int:
    return width * height or PIXELS_MAX + 1


def _big(number: bytes) -> int:
    return int.from_bytes(number, "big")


def _little(number: bytes) -> int:
    return int.from_bytes(number, "little")


def _frames(head: bytes) -> Iterator[int]:
    """The pixels of each frame of a JPEG, found by stepping over its segments; each costs at least two bytes."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:  # noqa: PLR2004  every segment begins with it
        marker = head[at + 1]
        if marker in _FRAME_MARKERS:
            yield _area(_big(head[at + 7 : at + 9]), _big(head[at + 5 : at + 7]))
        at += 2 if marker in _BARE_MARKERS else 2 + max(2, _big(head[at + 2 : at + 4]))


def _webp_pixels(head: bytes) -> int:
    """The three forms of WebP: extended, lossless and lossy. Widths are stored less one in the first two."""
    form = head[12:16]
    if form == b"VP8X":
        return _area(_little(head[24:27]) + 1, _little(head[27:30]) + 1)
    if form == b"VP8L":
        bits = _little(head[21:25])
        return _area((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
    return _area(_little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF)
