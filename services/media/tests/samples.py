"""Small files of every type that media takes, and of some that it must not."""

import struct
import zlib

from media.domain.media import Mime


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


def png(width: int = 1, height: int = 1) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0\0")) + _chunk(b"IEND", b"")
    )


def jpeg(width: int = 1, height: int = 1, exif: bytes = b"Exif\0\0") -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + _segment(0xE1, exif) + _segment(0xC0, frame) + b"\xff\xd9"


def gif(width: int = 1, height: int = 1) -> bytes:
    """Two colours, one image block that draws the first point."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    image = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return b"GIF89a" + screen + image + b";"


def webp(width: int = 1, height: int = 1) -> bytes:
    """Extended; of no width it is a lossy one, because the other forms cannot say that."""
    if not width or not height:
        frame = b"VP8 " + struct.pack("<I", 10) + b"\x10\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height)
        return b"RIFF" + struct.pack("<I", 4 + len(frame)) + b"WEBP" + frame
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + _three(width - 1) + _three(height - 1)
    return b"RIFF" + struct.pack("<I", 4 + len(extended)) + b"WEBP" + extended


MP4 = struct.pack(">I", 24) + b"ftypisom" + bytes(4) + b"isommp41" + b"\0\0\0\x08mdat"
WEBM = b"\x1a\x45\xdf\xa3\x93\x42\x82\x84webm" + bytes(24)
PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"

GOOD = {
    Mime.PNG: png(),
    Mime.JPEG: jpeg(),
    Mime.GIF: gif(),
    Mime.WEBP: webp(),
    Mime.MP4: MP4,
    Mime.WEBM: WEBM,
    Mime.PDF: PDF,
}
"""One file of each type."""
