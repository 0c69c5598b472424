"""Google Cloud Storage. Its library is synchronous and large: imported at the first use, and run in a few threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from chassis.telemetry import get_logger
from kernel.refusal import Unavailable
from media.clients.accounts import credentials
from media.clients.storage import LENGTH_RANGE, ONE_WRITE, STORAGE, Listed, Looked, Readable, SignedUpload
from media.domain.files import HEAD_BYTES, Arrived
from media.domain.media import Mime

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket, Client

    from media.settings import Settings

GOOGLE: Final = "https://storage.googleapis.com"
SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
CALLS_AT_ONCE: Final = 8
SIGNATURES_AT_ONCE: Final = 2
TIMEOUT: Final = (2.0, 5.0)
"""Seconds to connect, and between two pieces of an answer. Nothing is retried here: whoever asks does that."""
REWRITES_MAX: Final = 20
PUBLIC_CACHE: Final = "public, max-age=300"
"""A picture that is deleted is gone from every cache after five minutes."""

Result = TypeVar("Result")

_log = get_logger(__name__)


class GcsAccount:
    """The service account and the client, made once and in a thread, because importing them takes a second."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._making = Lock()

    @property
    def client(self) -> Client:
        with self._making:
            return self._client

    @cached_property
    def _client(self) -> Client:
        from google.cloud.storage import Client

        account = credentials(self._settings.storage_key_file, scopes=[SCOPE])
        address = self._settings.storage_url
        options = {"api_endpoint": address} if address else None
        return Client(project=account.project_id, credentials=account, client_options=options)

    @property
    def private(self) -> Bucket:
        return self.client.bucket(self._settings.storage_private_bucket)

    @property
    def public(self) -> Bucket:
        return self.client.bucket(self._settings.storage_public_bucket)


class GcsSigner:
    """`Signer` with V4 signatures, made with the account's own key: no network."""

    def __init__(self, account: GcsAccount, settings: Settings) -> None:
        self._account = account
        self._host = settings.storage_public_url or GOOGLE
        self._upload_for = timedelta(minutes=settings.upload_minutes)
        self._read_for = timedelta(minutes=settings.read_minutes)
        self._limiter = CapacityLimiter(SIGNATURES_AT_ONCE)

    async def upload(self, key: str, mime: Mime, size_bytes: int) -> SignedUpload:
        bound = {LENGTH_RANGE: f"1,{size_bytes}", ONE_WRITE: "0"}
        ends = datetime.now(UTC) + self._upload_for

        def sign() -> str:
            blob = self._account.private.blob(key)
            return self._signed(blob, "PUT", self._upload_for, content_type=mime.value, headers=dict(bound))

        url = await run_sync(sign, limiter=self._limiter)
        return SignedUpload(url, {"Content-Type": mime.value, **bound}, ends)

    async def reads(self, objects: Sequence[Readable]) -> tuple[list[str], datetime]:
        ends = datetime.now(UTC) + self._read_for

        def sign() -> list[str]:
            bucket = self._account.private
            return [
                self._signed(bucket.blob(one.key), "GET", self._read_for, response_disposition=named(one))
                for one in objects
            ]

        return await run_sync(sign, limiter=self._limiter), ends

    def _signed(self, blob: Blob, method: str, seconds: timedelta, **bound: Any) -> str:
        url: str = blob.generate_signed_url(
            version="v4", method=method, expiration=seconds, api_access_endpoint=self._host, **bound
        )
        return url


class GcsStorage:
    """`StorageClient` over the JSON API."""

    def __init__(self, account: GcsAccount, settings: Settings) -> None:
        self._account = account
        self._limiter = CapacityLimiter(CALLS_AT_ONCE)
        self.buckets = (settings.storage_private_bucket, settings.storage_public_bucket)

    async def look_at(self, key: str) -> Looked | None:
        return await self._run(lambda: _looked(self._account.private, key))

    async def exists(self, key: str) -> bool:
        return await self._run(lambda: self._account.private.blob(key).exists(timeout=TIMEOUT, retry=None))

    async def publish(self, key: str, mime: Mime, generation: int) -> None:
        await self._run(lambda: _copy(self._account, key, mime, generation))

    async def delete(self, key: str) -> None:
        """The private copy last: while it is there, a repeat knows that there is something left to do."""

        def remove() -> None:
            for bucket in (self._account.public, self._account.private):
                _remove(bucket, key)

        await self._run(remove)

    async def keys(self, bucket: str, after: str, limit: int) -> list[Listed]:
        """The store's own beginning is inclusive, so the key itself is asked for once more and left out."""

        def read() -> list[Listed]:
            found = self._account.client.list_blobs(
                bucket, start_offset=after or None, max_results=limit + 1, timeout=TIMEOUT, retry=None
            )
            return [Listed(blob.name, blob.time_created) for blob in found if blob.name > after][:limit]

        return await self._run(read)

    async def ping(self) -> None:
        """Listing is what the account may do anyway; asking for the bucket itself would need a further right."""
        await self.keys(self.buckets[0], "", 1)

    async def _run(self, call: Callable[[], Result]) -> Result:
        def mapped() -> Result:
            with _mapped():
                return call()

        return await run_sync(mapped, limiter=self._limiter, abandon_on_cancel=True)


def named(readable: Readable) -> str:
    """A Content-Disposition with the file's own name, in the form that every letter fits into (RFC 6266)."""
    return f"{readable.disposition}; filename*=UTF-8''{quote(readable.file_name, safe='')}"


def _looked(bucket: Bucket, key: str) -> Looked | None:
    """Metadata and first bytes of one generation; an object that is replaced in between is asked for again later."""
    from google.api_core.exceptions import NotFound

    blob = bucket.get_blob(key, timeout=TIMEOUT, retry=None)
    if blob is None:
        return None
    try:
        head = blob.download_as_bytes(
            start=0,
            end=HEAD_BYTES - 1,
            raw_download=True,
            if_generation_match=blob.generation,
            timeout=TIMEOUT,
            checksum=None,
            retry=None,
        )
    except NotFound:
        return None
    return Looked(Arrived(int(blob.size), str(blob.content_type), head), int(blob.generation))


def _copy(account: GcsAccount, key: str, mime: Mime, generation: int) -> None:
    copy, token = account.public.blob(key), None
    copy.content_type, copy.cache_control = mime.value, PUBLIC_CACHE
    source = account.private.blob(key, generation=generation)
    for _ in range(REWRITES_MAX):
        token, _, _ = copy.rewrite(
            source, token=token, if_source_generation_match=generation, timeout=TIMEOUT, retry=None
        )
        if token is None:
            return
    raise Unavailable(STORAGE)


def _remove(bucket: Bucket, key: str) -> None:
    from google.api_core.exceptions import NotFound

    try:
        bucket.blob(key).delete(timeout=TIMEOUT, retry=None)
    except NotFound:
        return


@contextmanager
def _mapped() -> Iterator[None]:
    """Whatever the library, its transport or its log-in raises is the store being away, to everybody else."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from requests import RequestException

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, RequestException, OSError) as error:
        _log.warning("storage.failed", problem=f"{type(error).__name__}: {error}"[:300])
        raise Unavailable(STORAGE) from error
