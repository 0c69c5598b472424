"""The store's port: the same suite for the twin in memory and for Google's client on the emulator."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kernel.refusal import Unavailable
from media.clients.gcs import GcsAccount, GcsSigner, GcsStorage, named
from media.clients.storage import FakeStorage, Readable, Signer, StorageClient
from media.domain.files import HEAD_BYTES
from media.domain.media import Kind, Mime, ObjectKey
from media.settings import Settings
from testkit.cloud import Cloud
from testkit.servers import TestServers

from .samples import PDF, png


def settings(cloud: Cloud, **more: Any) -> Settings:
    """Only what the clients read."""
    return Settings.model_construct(**{"upload_minutes": 15, "read_minutes": 15, **cloud.settings, **more})


@dataclass
class Shop:
    """A store, its signer, and a client with nothing but HTTP."""

    storage: StorageClient
    signer: Signer
    http: httpx.AsyncClient

    async def puts(self, key: str, data: bytes, mime: Mime = Mime.PNG) -> None:
        if isinstance(self.storage, FakeStorage):
            self.storage.put(key, data, mime.value)
            return
        link = await self.signer.upload(key, mime, len(data))
        answer = await self.http.put(link.url, content=data, headers=link.headers)
        assert answer.status_code == 200, answer.text


@pytest.fixture(params=["in memory", "emulator"])
async def shop(request: pytest.FixtureRequest, servers: TestServers) -> AsyncIterator[Shop]:
    async with httpx.AsyncClient() as http:
        if request.param == "in memory":
            fake = FakeStorage()
            yield Shop(fake, fake, http)
            return
        async with servers.cloud() as cloud:
            account = GcsAccount(settings(cloud))
            yield Shop(GcsStorage(account, settings(cloud)), GcsSigner(account, settings(cloud)), http)


def a_key(kind: Kind = Kind.PRODUCT, mime: Mime = Mime.PNG) -> str:
    return str(ObjectKey.of(uuid4(), kind, uuid4(), mime))


async def test_what_was_put_is_seen_as_it_lies_there(shop: Shop) -> None:
    key = a_key()
    await shop.puts(key, png())

    found = await shop.storage.look_at(key)

    assert found is not None
    assert (found.arrived.size_bytes, found.arrived.content_type, found.arrived.head) == (len(png()), Mime.PNG, png())
    assert await shop.storage.exists(key)


async def test_only_the_beginning_of_a_long_file_is_read(shop: Shop) -> None:
    key, long = a_key(), png() + bytes(HEAD_BYTES)
    await shop.puts(key, long)

    found = await shop.storage.look_at(key)

    assert found is not None
    assert (found.arrived.size_bytes, found.arrived.head) == (len(long), long[:HEAD_BYTES])


async def test_what_was_never_put_is_not_there(shop: Shop) -> None:
    assert await shop.storage.look_at(a_key()) is None
    assert not await shop.storage.exists(a_key())


async def test_a_deletion_takes_both_copies_and_can_be_repeated(shop: Shop) -> None:
    key = a_key()
    await shop.puts(key, png())
    found = await shop.storage.look_at(key)
    assert found is not None
    await shop.storage.publish(key, Mime.PNG, found.generation)

    for _ in range(2):
        await shop.storage.delete(key)

    assert not await shop.storage.exists(key)
    assert [await shop.storage.keys(bucket, "", 10) for bucket in shop.storage.buckets] == [[], []]


async def test_a_copy_is_of_the_bytes_that_were_looked_at(shop: Shop) -> None:
    key = a_key()
    await shop.puts(key, png())
    found = await shop.storage.look_at(key)
    assert found is not None

    with pytest.raises(Unavailable):
        await shop.storage.publish(key, Mime.PNG, found.generation + 1)
    for _ in range(2):
        await shop.storage.publish(key, Mime.PNG, found.generation)

    public = shop.storage.buckets[1]
    assert [one.key for one in await shop.storage.keys(public, "", 10)] == [key]


async def test_objects_are_listed_page_by_page_in_the_order_of_their_keys(shop: Shop) -> None:
    keys = sorted(a_key() for _ in range(5))
    for key in keys:
        await shop.puts(key, png())
    private = shop.storage.buckets[0]

    first = await shop.storage.keys(private, "", 3)
    rest = await shop.storage.keys(private, first[-1].key, 3)

    assert [one.key for one in (*first, *rest)] == keys
    assert abs(first[0].created_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_store_that_is_there_answers(shop: Shop) -> None:
    await shop.storage.ping()


async def test_a_store_that_is_away_is_unavailable_and_nothing_else(cloud: Cloud) -> None:
    away = settings(cloud, storage_url="http://127.0.0.1:9")
    storage = GcsStorage(GcsAccount(away), away)

    for call in (storage.ping, lambda: storage.look_at(a_key()), lambda: storage.delete(a_key())):
        with pytest.raises(Unavailable) as refused:
            await call()
        assert refused.value.details == {"service": "storage"}


@pytest.fixture
def real(cloud: Cloud) -> tuple[GcsSigner, Cloud]:
    return GcsSigner(GcsAccount(settings(cloud)), settings(cloud)), cloud


async def test_an_upload_link_is_good_for_what_it_says_and_for_nothing_else(real: tuple[GcsSigner, Cloud]) -> None:
    signer, _ = real
    link = await signer.upload(a_key(), Mime.PNG, len(png()))
    other = await signer.upload(a_key(), Mime.PNG, len(png()))
    async with httpx.AsyncClient() as http:

        async def puts(url: str = link.url, data: bytes = png(), **changed: str) -> int:
            return (await http.put(url, content=data, headers={**link.headers, **changed})).status_code

        refused = [
            await puts(**{"Content-Type": "text/html"}),
            await puts(data=png() + b"\0"),
            await puts(**{"x-goog-content-length-range": "1,99999"}),
            await puts(**{"x-goog-if-generation-match": "1"}),
            await puts(link.url.replace(link.url.split("?")[0], other.url.split("?")[0])),
            (await http.put(link.url, content=png())).status_code,
            (await http.get(link.url)).status_code,
        ]
        once, twice = await puts(), await puts()

    assert all(400 <= status < 500 for status in refused), refused
    assert (once, twice) == (200, 412)


async def test_a_read_link_shows_pictures_and_keeps_documents(real: tuple[GcsSigner, Cloud]) -> None:
    signer, cloud = real
    key = a_key(Kind.LICENSE_DOC, Mime.PDF)
    link = await signer.upload(key, Mime.PDF, len(PDF))
    async with httpx.AsyncClient() as http:
        await http.put(link.url, content=PDF, headers=link.headers)
        (url,), ends = await signer.reads([Readable(key, "attachment", "été 50%.pdf")])

        signed = await http.get(url)
        plain = await http.get(f"{cloud.storage_url}/{cloud.private_bucket}/{key}")

    assert (signed.status_code, signed.content, signed.headers["content-type"]) == (200, PDF, "application/pdf")
    assert plain.status_code == 403
    assert timedelta(minutes=14) < ends - datetime.now(UTC) <= timedelta(minutes=15)


def test_a_file_keeps_its_own_name_whatever_letters_it_has() -> None:
    told = named(Readable("k", "attachment", 'a"b;\r\nc é.pdf'))

    assert told == "attachment; filename*=UTF-8''a%22b%3B%0D%0Ac%20%C3%A9.pdf"
