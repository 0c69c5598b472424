"""The store of objects as media needs it: two buckets, of which only one may be read without a signature.

Clients write into the private bucket alone, so that nothing is served before it was looked at (P27). What has
passed and is of a public kind is copied into the public one; a key names both copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from kernel.refusal import Unavailable
from media.domain.files import HEAD_BYTES, Arrived
from media.domain.media import Mime

STORAGE: Final = "storage"
ONE_WRITE: Final = "x-goog-if-generation-match"
LENGTH_RANGE: Final = "x-goog-content-length-range"


@dataclass(frozen=True, slots=True)
class SignedUpload:
    """`headers` have to be sent exactly as they are: they are part of what was signed."""

    url: str
    headers: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Readable:
    """An object to be read: how a browser shall take it, and under which name it keeps it."""

    key: str
    disposition: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Looked:
    """An object of the private bucket. `generation` names these very bytes."""

    arrived: Arrived
    generation: int


@dataclass(frozen=True, slots=True)
class Listed:
    key: str
    created_at: datetime


class Signer(Protocol):
    """Makes links that prove themselves. It computes, and asks nobody."""

    async def upload(self, key: str, mime: Mime, size_bytes: int) -> SignedUpload:
        """One write of that type and at most that many bytes, within `upload_minutes`."""

    async def reads(self, objects: Sequence[Readable]) -> tuple[list[str], datetime]:
        """A link for each, in order, and when all of them end."""


class StorageClient(Protocol):
    """Every call raises `Unavailable` (storage) when the store does not answer; the caller decides who asks again."""

    @property
    def buckets(self) -> Sequence[str]:
        """The private and the public one."""

    async def look_at(self, key: str) -> Looked | None:
        """What lies in the private bucket, with its first bytes; None when nothing does."""

    async def exists(self, key: str) -> bool:
        """Whether anything lies in the private bucket."""

    async def publish(self, key: str, mime: Mime, generation: int) -> None:
        """Copy these very bytes into the public bucket; a repeat does the same. Raises `Unavailable` for others."""

    async def delete(self, key: str) -> None:
        """Remove both copies, the private one last. What is not there counts as done."""

    async def keys(self, bucket: str, after: str, limit: int) -> list[Listed]:
        """The objects of a bucket in the order of their keys, beginning behind `after`."""

    async def ping(self) -> None:
        """Whether the private bucket answers."""


@dataclass(slots=True)
class Stored:
    data: bytes
    mime: str
    generation: int
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))


class FakeStorage:
    """A store in memory, and its signer. `away` makes it unreachable; links are readable words."""

    buckets = ("private", "public")

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Stored]] = {name: {} for name in self.buckets}
        self.away = False
        self._writes = 0

    @property
    def private(self) -> dict[str, Stored]:
        return self.held["private"]

    @property
    def public(self) -> dict[str, Stored]:
        return self.held["public"]

    def forgets(self) -> None:
        """Be as new."""
        for bucket in self.held.values():
            bucket.clear()
        self.away = False

    def put(self, key: str, data: bytes, mime: str) -> None:
        """A client uses its upload link."""
        self._writes += 1
        self.private[key] = Stored(data, mime, self._writes)

    async def upload(self, key: str, mime: Mime, size_bytes: int) -> SignedUpload:
        headers = {"Content-Type": mime.value, LENGTH_RANGE: f"1,{size_bytes}", ONE_WRITE: "0"}
        return SignedUpload(f"https://storage.test/private/{key}?signed=PUT", headers, datetime.now(UTC))

    async def reads(self, objects: Sequence[Readable]) -> tuple[list[str], datetime]:
        return [f"https://storage.test/private/{one.key}?signed=GET" for one in objects], datetime.now(UTC)

    async def look_at(self, key: str) -> Looked | None:
        self._answer()
        found = self.private.get(key)
        if found is None:
            return None
        return Looked(Arrived(len(found.data), found.mime, found.data[:HEAD_BYTES]), found.generation)

    async def exists(self, key: str) -> bool:
        self._answer()
        return key in self.private

    async def publish(self, key: str, mime: Mime, generation: int) -> None:
        self._answer()
        found = self.private.get(key)
        if found is None or found.generation != generation:
            raise Unavailable(STORAGE)
        self.public[key] = Stored(found.data, mime, generation)

    async def delete(self, key: str) -> None:
        self._answer()
        self.public.pop(key, None)
        self.private.pop(key, None)

    async def keys(self, bucket: str, after: str, limit: int) -> list[Listed]:
        self._answer()
        later = sorted(key for key in self.held[bucket] if key > after)
        return [Listed(key, self.held[bucket][key].created_at) for key in later[:limit]]

    async def ping(self) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.away:
            raise Unavailable(STORAGE)
