"""Which object a request means, and how much of a body may come for it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import AsyncIterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final, Self
from urllib.parse import quote, unquote

from emulators.storage.answers import access_denied, invalid, too_large, too_small

BODY_BYTES_MAX: Final = 20 * 1024 * 1024 + 64 * 1024
"""The house stores 20 MiB (spec 3.1); a little more comes in, so that the check on arrival is tried too."""

RESOURCE_BYTES_MAX: Final = 64 * 1024
MEMORY_BYTES_MAX: Final = 1024 * 1024
KEY_BYTES_MAX: Final = 1_024
PUBLIC: Final = "-public"
"""Buckets whose names end so are read by anybody, as if Google had been told that allUsers may."""

BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
RANGE: Final = re.compile(r"(\d{1,15}),(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Place:
    """An object by its bucket and key."""

    bucket: str
    key: str

    @classmethod
    def of(cls, path: str) -> Self:
        """From `/bucket/key` as on the wire. Raises Denied for a path that names no object."""
        bucket, _, key = path.removeprefix("/").partition("/")
        if not key:
            raise access_denied("Anonymous caller does not have access to the bucket.")
        return cls.named(unquote(bucket), unquote(key))

    @classmethod
    def named(cls, bucket: str, key: str) -> Self:
        """A key is also a path on the disk behind the door, so what would lead out of its folder is no key."""
        if not BUCKET.fullmatch(bucket):
            raise invalid("Invalid bucket name")
        steps = key.split("/")
        if {".", "..", ""} & set(steps) or len(key.encode()) > KEY_BYTES_MAX or not key.isprintable():
            raise invalid("Invalid object name")
        return cls(bucket, key)

    @property
    def is_public(self) -> bool:
        return self.bucket.endswith(PUBLIC)

    @property
    def path(self) -> str:
        """Behind `/storage/v1`, `/upload/storage/v1` or `/download/storage/v1`."""
        return f"/b/{self.bucket}/o/{quote(self.key, safe='')}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """How many bytes an object may have."""

    least: int = 0
    most: int = BODY_BYTES_MAX

    @classmethod
    def by(cls, headers: Mapping[str, str]) -> Self:
        wish = headers.get("x-goog-content-length-range")
        if wish is None:
            return cls()
        match = RANGE.fullmatch(wish)
        if match is None:
            raise invalid("x-goog-content-length-range is two numbers")
        return cls(int(match[1]), min(int(match[2]), BODY_BYTES_MAX))

    def require(self, size: int) -> None:
        if size > self.most:
            raise too_large(self.most)
        if size < self.least:
            raise too_small(self.least)


def name_told(body: IO[bytes]) -> str:
    """The name in the resource that an upload begins with, which is its whole body or the first part of it.

    Empty when there is none; the body is left as it was.
    """
    head = body.read(RESOURCE_BYTES_MAX)
    body.seek(0)
    part = head.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0] if head.startswith(b"--") else head
    try:
        resource = json.loads(part or b"{}")
    except ValueError as error:
        raise invalid("Parse Error") from error
    return str(resource.get("name", "")) if isinstance(resource, dict) else ""


@contextmanager
def shelf() -> Iterator[IO[bytes]]:
    """Room for one body: in memory while it is small."""
    with tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX) as file:
        yield file


async def collect(chunks: AsyncIterable[bytes], allowed: Allowed, file: IO[bytes]) -> int:
    """Keep a body until it is known to be whole and of a size that is allowed, so that half an object never exists.

    Answers the size.
    """
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > allowed.most:
            raise too_large(allowed.most)
        file.write(chunk)
    allowed.require(size)
    file.seek(0)
    return size
