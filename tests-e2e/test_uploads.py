"""Nothing comes in but what was signed and is what it says, whatever a client sends or a forger tells (F-I7, P27)."""

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from markets import Market
from objects import Forger, ObjectStore

from packhouse.actors import Vendor, product
from packhouse.eventually import eventually
from packhouse.files import PDF, PNG, document, picture
from packhouse.stack import Stack
from testkit.reliability import Reliability

DECIDED_WITHIN = 2.0
BYTES_MAX = 20_971_520
GROWTH_BYTES_MAX = 20_000_000
SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
MARKUP = b"<html><body><script>alert(1)</script></body></html>"
GIF = "image/gif"
DRAWN = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00;"
)
"""A GIF of one point."""
PAGE, SHOWN = document("as it should be"), picture("as it should be")

PRETENDERS: dict[str, tuple[str, str, bytes]] = {
    "a page of HTML as PNG": ("product", PNG, b"<!doctype html><script>alert(1)</script>"),
    "a script in SVG as PNG": ("product", PNG, SCRIPT),
    "a script in SVG as PDF": ("coa", PDF, SCRIPT),
    "HTML before a PDF": ("coa", PDF, b"<html><script>alert(1)</script></html>\n" + PAGE),
    "a blank before a PDF": ("license_doc", PDF, b" " + PAGE),
    "a script that begins like a GIF as PNG": ("product", PNG, b"GIF89a=1;alert(1)//"),
    "a script that begins like a GIF": ("product", GIF, b"GIF89a/*" + bytes(32) + b"*/=1;alert(1)"),
    "a script in SVG behind a PNG": ("product", PNG, SHOWN + SCRIPT),
    "a page of HTML behind a PNG": ("product", PNG, SHOWN + MARKUP),
    "a page of HTML behind a GIF": ("product", GIF, DRAWN + MARKUP),
    "a script in the comment of a GIF": (
        "product",
        GIF,
        DRAWN[:19] + b"!\xfe\x19<script>alert(1)</script>\x00" + DRAWN[19:],
    ),
    "a script in the text of a PDF": ("coa", PDF, document("<script>alert(1)</script>")),
    "a PDF that is a page of HTML too": ("license_doc", PDF, PAGE + MARKUP),
    "a PNG as PDF": ("license_doc", PDF, SHOWN),
    "a PDF as PNG": ("license_doc", PNG, PAGE),
    "a PNG as JPEG": ("product", "image/jpeg", SHOWN),
    "an archive as WebP": ("product", "image/webp", b"PK\x03\x04" + bytes(32)),
    "a sound as WebP": ("product", "image/webp", b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(32)),
    "a program as MP4": ("ads", "video/mp4", b"\x7fELF" + bytes(32)),
    "one byte of the signature wrong": ("product", PNG, SHOWN[:7] + b"\r" + SHOWN[8:]),
    "the signature cut": ("product", PNG, SHOWN[:4]),
}
REFUSED: dict[str, dict[str, Any]] = {
    "SVG": {"mime_type": "image/svg+xml"},
    "HTML": {"mime_type": "text/html"},
    "a type with a parameter": {"mime_type": "image/png; charset=x"},
    "a type in capitals with a line break": {"mime_type": "image/png\r\nX-Evil: 1"},
    "a PDF as a product's picture": {"mime_type": PDF},
    "a video as a scan": {"media_kind": "license_doc", "mime_type": "video/mp4"},
    "an unknown kind": {"media_kind": "licence"},
    "nothing": {"size_bytes": 0},
    "less than nothing": {"size_bytes": -1},
    "one byte too many": {"size_bytes": BYTES_MAX + 1},
    "half a byte": {"size_bytes": 10.5},
    "no name": {"file_name": ""},
    "a name of 256": {"file_name": "x" * 256},
}
NAMES = ("../../etc/passwd", "/etc/passwd", "..\\boot.ini", "a/b/c.png", "x.svg", "x\u202egnp.html", ".", "%2e%2e%2f")


@dataclass(frozen=True)
class Put:
    """A request to the store."""

    url: str
    headers: Mapping[str, str]
    data: Any
    method: str = "PUT"

    async def sent(self, http: httpx.AsyncClient) -> httpx.Response:
        return await http.request(self.method, self.url, headers=dict(self.headers), content=self.data)


def bent(right: Put, media_id: str) -> dict[str, Put]:
    """What a client may do to the request that was signed for it."""
    ends = right.url.rpartition("=")
    more = bytes(right.data) + b"x"

    def with_header(name: str, value: str | None) -> Put:
        kept = {one: told for one, told in right.headers.items() if one.lower() != name}
        return replace(right, headers=kept if value is None else {**kept, name: value})

    async def streamed() -> AsyncIterator[bytes]:
        yield more

    return {
        "another type": with_header("content-type", "image/svg+xml"),
        "no type": with_header("content-type", None),
        "one byte more": replace(right, data=more),
        "one byte more, of unknown length": replace(right, data=streamed()),
        "no bytes": replace(right, data=b""),
        "a wider range": with_header("x-goog-content-length-range", "1,99999999"),
        "no range": with_header("x-goog-content-length-range", None),
        "may write twice": with_header("x-goog-if-generation-match", None),
        "a header that makes it public": with_header("x-goog-acl", "public-read"),
        "another key": replace(right, url=right.url.replace(media_id, str(uuid4()))),
        "a key above": replace(right, url=right.url.replace(media_id, f"../{media_id}")),
        "a longer life": replace(right, url=right.url.replace("X-Goog-Expires=900", "X-Goog-Expires=604800")),
        "another signature": replace(right, url=f"{ends[0]}={ends[2][:-1]}{'0' if ends[2][-1] != '0' else '1'}"),
        "no signature": replace(right, url=right.url.partition("?")[0]),
        "as POST": replace(right, method="POST"),
        "as DELETE": replace(right, method="DELETE", data=b""),
        "as GET": replace(right, method="GET", data=b""),
    }


@pytest.fixture
async def plain() -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has an address and nothing else."""
    async with httpx.AsyncClient(timeout=30) as http:
        yield http


async def presigned(vendor: Vendor, kind: str, mime_type: str, data: bytes) -> tuple[Mapping[str, Any], Put]:
    signed = (await vendor.presigns(kind, len(data), mime_type, file_name="upload")).expect(200)
    return signed, Put(signed["signed_put_url"], signed["headers"], data)


async def decided(vendor: Vendor, media_id: str) -> Mapping[str, Any]:
    """The medium once it is not pending any more."""
    seen: list[Mapping[str, Any]] = []

    async def is_decided() -> bool:
        medium = await vendor.sees_medium(media_id)
        assert medium is not None
        seen.append(medium)
        return bool(medium["status"] != "pending")

    await eventually(is_decided, within=10)
    return seen[-1]


async def is_usable(vendor: Vendor, media_id: str) -> bool:
    """Whether a product can show it."""
    goods = product(f"U-{uuid4().hex[:8]}", "Uploaded", media_ids=[media_id])
    return (await vendor.post("/api/v1/vendor/products", goods)).ok


async def test_a_file_that_is_not_what_it_says_never_becomes_uploaded(
    stack: Stack, market: Market, plain: httpx.AsyncClient, reliability: Reliability
) -> None:
    vendor, objects = market.vendors[0], ObjectStore.of(stack)

    async def wrong_with(kind: str, mime_type: str, data: bytes) -> str | None:
        signed, put = await presigned(vendor, kind, mime_type, data)
        (await put.sent(plain)).raise_for_status()
        medium = await decided(vendor, signed["media_id"])

        async def is_gone() -> bool:
            return not await objects.keys(signed["gcs_key"])

        await eventually(is_gone, within=10)
        return None if (medium["status"], medium.get("signed_url")) == ("failed", None) else str(medium)

    found = {name: await wrong_with(*pretender) for name, pretender in PRETENDERS.items()}

    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    reliability.record("F-I7", faults=len(found), at_least=len(PRETENDERS), files=list(found))


async def test_a_request_that_is_not_the_one_that_was_signed_stores_nothing(
    stack: Stack, market: Market, plain: httpx.AsyncClient, reliability: Reliability
) -> None:
    vendor, objects = market.vendors[0], ObjectStore.of(stack)
    signed, right = await presigned(vendor, "product", PNG, SHOWN)
    attempts = bent(right, signed["media_id"])

    answers = {name: (await attempt.sent(plain)).status_code for name, attempt in attempts.items()}
    stored = await objects.keys(f"{vendor.store_id}/")
    first = await right.sent(plain)
    second = await replace(right, data=SHOWN[:-1] + b"x").sent(plain)
    medium = await decided(vendor, signed["media_id"])

    assert {name: status for name, status in answers.items() if not 400 <= status < 500} == {}
    assert stored == set()
    assert (first.status_code, second.status_code) == (200, 412)
    assert medium["status"] == "uploaded"
    assert (await plain.get(medium["signed_url"])).content == SHOWN
    reliability.record("F-I7", faults=len(answers) + 1, at_least=len(attempts), requests=answers)


async def test_what_may_not_come_is_not_signed(market: Market, reliability: Reliability) -> None:
    vendor = market.vendors[0]
    good = {"media_kind": "product", "mime_type": PNG, "file_name": "x.png", "size_bytes": 100}

    answers = {name: await vendor.post("/api/v1/media/presign", good | wrong) for name, wrong in REFUSED.items()}
    named = [await vendor.presigns("product", 100, PNG, file_name=name) for name in NAMES]

    assert {name: answer.status for name, answer in answers.items() if answer.status != 400} == {}
    signed = [answer.expect(200) for answer in named if answer.status != 400]
    for one in signed:
        assert one["gcs_key"] == f"{vendor.store_id}/product/{one['media_id']}.png"
        assert f"/{one['gcs_key']}?" in one["signed_put_url"]
    assert signed, "some of these are odd and no more"
    reliability.record("F-I7", faults=len(answers) + len(named), presigns=list(answers))


async def test_a_failed_upload_cannot_be_put_right_behind_our_back(
    stack: Stack, market: Market, plain: httpx.AsyncClient, reliability: Reliability
) -> None:
    """The address still lives when the object is gone: what comes then is removed too, and nothing is served."""
    vendor, objects = market.vendors[0], ObjectStore.of(stack)
    signed, wrong = await presigned(vendor, "product", PNG, SCRIPT)
    (await wrong.sent(plain)).raise_for_status()
    first = await decided(vendor, signed["media_id"])

    async def nothing_there() -> bool:
        return not await objects.keys(signed["gcs_key"])

    await eventually(nothing_there, within=10)
    again = await replace(wrong, data=SHOWN[: len(SCRIPT)]).sent(plain)
    await eventually(nothing_there, within=10)

    second = await vendor.sees_medium(signed["media_id"])
    assert second is not None
    assert (first["status"], second["status"], second.get("signed_url")) == ("failed", "failed", None)
    assert not await is_usable(vendor, signed["media_id"])
    reliability.record("F-I7", faults=1 + again.is_success)


def bombs() -> dict[str, tuple[str, bytes]]:
    """Files that are small until somebody unpacks them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    zeros = zlib.compress(bytes(100_000_000), 9)
    vast = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)
    png = SHOWN[:8] + chunk(b"IHDR", vast) + chunk(b"zTXt", b"x\x00\x00" + zeros) + SHOWN[33:]
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + struct.pack("<HHHII", 0xFFFF, 0x8769, 4, 0xFFFFFFFF, 8)
    jpeg = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + b"\xff\xd9"
    return {"PNG": (PNG, png), "JPEG": ("image/jpeg", jpeg)}


async def test_nobody_unpacks_what_is_packed_to_burst(
    stack: Stack, market: Market, plain: httpx.AsyncClient, reliability: Reliability
) -> None:
    vendor, media = market.vendors[0], psutil.Process(stack.process("media").pid)
    await vendor.uploads("product", SHOWN, PNG)
    before, statuses = media.memory_info().rss, {}

    for name, (mime_type, data) in bombs().items():
        signed, put = await presigned(vendor, "product", mime_type, data)
        (await put.sent(plain)).raise_for_status()
        statuses[name] = (await decided(vendor, signed["media_id"]))["status"]

    grown = media.memory_info().rss - before
    print(f"{statuses}, media grew by {grown / 1_000_000:.1f} MB")
    assert grown < GROWTH_BYTES_MAX
    assert set(statuses.values()) == {"failed"}, "one asks for too many pixels, one never says for how many"
    reliability.record("F-I7", faults=len(statuses), grown_bytes=grown)


async def test_forged_and_malformed_messages_change_nothing(
    stack: Stack, market: Market, plain: httpx.AsyncClient, reliability: Reliability
) -> None:
    """Messages of an object that is not there, of a deletion that was not, of keys that nobody has, and plain noise."""
    vendor, objects, forger = market.vendors[0], ObjectStore.of(stack), Forger(stack)
    waiting, put = await presigned(vendor, "product", PNG, SHOWN)
    kept = await vendor.uploads("product", SHOWN, PNG)
    key = f"{vendor.store_id}/product/{kept}.png"
    told = {"size": str(len(SHOWN)), "contentType": PNG, "generation": "1"}
    buckets = (objects.private, objects.public, "somebody-elses")
    for bucket in buckets:
        await forger.says("OBJECT_FINALIZE", bucket, waiting["gcs_key"], **told)
        await forger.says("OBJECT_DELETE", bucket, key, **told)
        await forger.says("OBJECT_FINALIZE", bucket, key, **{**told, "size": "1", "contentType": "text/html"})
        for strange in (f"{uuid4()}/product/{uuid4()}.png", "x", "../../x", "", f"{vendor.store_id}/product/x.png"):
            await forger.says("OBJECT_FINALIZE", bucket, strange, **told)
    attributes = {"eventType": "OBJECT_FINALIZE", "payloadFormat": "JSON_API_V1", "bucketId": objects.private}
    for noise in ("", "{", "[]", "null", '{"name": 1}', '{"name": {"$ne": null}}', "\x00", "9" * 10_000):
        await forger.sends(noise, attributes)
    await forger.sends("{}", {"eventType": "OBJECT_METADATA_UPDATE"})
    await asyncio.sleep(DECIDED_WITHIN)

    pending, untouched = await _row(vendor, waiting["media_id"]), await _row(vendor, kept)
    (await put.sent(plain)).raise_for_status()
    arrived = await decided(vendor, waiting["media_id"])
    assert (pending["status"], pending.get("signed_url")) == ("pending", None)
    assert untouched["status"] == "uploaded"
    assert (await plain.get(untouched["signed_url"])).content == SHOWN
    assert arrived["status"] == "uploaded"
    assert stack.process("media").alive
    reliability.record("F-I7", faults=len(buckets) * 8 + 9)


async def _row(vendor: Vendor, media_id: str) -> Mapping[str, Any]:
    medium = await vendor.sees_medium(media_id)
    assert medium is not None
    return medium
