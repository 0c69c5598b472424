"""The JSON API as Google's client library speaks it, and what Pub/Sub is told of objects (spec 3.3)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.api_core.exceptions import Forbidden, NotFound, Unauthorized
from google.auth import jwt
from google.pubsub_v1 import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport
from signing import BODY, SCOPE, Signer, another_key, credentials

from testkit.cloud import Cloud


class Listener:
    def __init__(self, client: SubscriberAsyncClient, subscription: str) -> None:
        self._client = client
        self._subscription = subscription

    async def hears(self, bucket: str) -> tuple[dict[str, str], dict[str, Any]]:
        """Attributes and body of the next notice of this bucket."""
        async with asyncio.timeout(10):
            while True:
                pulled = await self._client.pull(subscription=self._subscription, max_messages=1)
                for received in pulled.received_messages:
                    await self._client.acknowledge(subscription=self._subscription, ack_ids=[received.ack_id])
                    if received.message.attributes["bucketId"] == bucket:
                        return dict(received.message.attributes), json.loads(received.message.data)


@pytest.fixture
async def listener(cloud: Cloud) -> AsyncIterator[Listener]:
    async with grpc.aio.insecure_channel(cloud.pubsub_emulator) as channel:
        client = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))
        yield Listener(client, f"projects/{cloud.project}/subscriptions/{cloud.subscription}")


def test_the_accounts_client_looks_reads_lists_and_deletes(signer: Signer) -> None:
    blob = signer.blob()
    blob.upload_from_string(BODY, content_type="image/png")
    seen = signer.blob(blob.name)
    seen.reload()
    assert (seen.size, seen.content_type, seen.download_as_bytes()) == (len(BODY), "image/png", BODY)
    assert signer.names() == [blob.name]
    seen.delete()
    with pytest.raises(NotFound):
        seen.delete()


def test_the_start_of_an_object_can_be_read_alone(signer: Signer) -> None:
    blob = signer.blob()
    blob.upload_from_string(BODY, content_type="image/png")
    assert blob.download_as_bytes(start=0, end=3) == BODY[:4]


@pytest.mark.plant("tokens that anybody signs")
def test_a_token_that_somebody_else_signed_opens_nothing(cloud: Cloud) -> None:
    forger = Signer(cloud, credentials(cloud.key_file, private_key=another_key()))
    with pytest.raises(Unauthorized):
        forger.names()


def test_a_token_for_reading_writes_nothing(cloud: Cloud, signer: Signer) -> None:
    blob = signer.blob()
    blob.upload_from_string(BODY)
    reader = Signer(cloud, credentials(cloud.key_file, may="read_only"))
    assert reader.names() == [blob.name]
    with pytest.raises((Unauthorized, Forbidden)):
        reader.blob(blob.name).delete()


@pytest.mark.parametrize("words", ["", "Bearer", "Basic YTpi", "Bearer a.b.c", "Bearer e30.e30.", "Bearer \u00ff"])
async def test_without_a_token_there_is_no_api(cloud: Cloud, http: httpx.AsyncClient, words: str) -> None:
    header = {"Authorization": words.encode("latin-1")}
    answer = await http.get(f"{cloud.storage_url}/storage/v1/b/{cloud.public_bucket}/o", headers=header)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 200),
        ({"exp": -60}, 401),
        ({"exp": 7_200}, 401),
        ({"iat": 600, "exp": 900}, 401),
        ({"iss": "somebody@else.test"}, 401),
        ({"sub": "somebody@else.test"}, 401),
        ({"scope": SCOPE.format("nothing")}, 401),
    ],
    ids=str,
)
async def test_a_token_is_the_accounts_own_for_an_hour_at_most(
    cloud: Cloud, http: httpx.AsyncClient, claims: dict[str, Any], status: int
) -> None:
    account = credentials(cloud.key_file)
    now = int(time.time())
    email = account.service_account_email
    told = {"iss": email, "sub": email, "iat": 0, "exp": 3_600, "scope": SCOPE.format("read_only"), **claims}
    token = jwt.encode(account.signer, {**told, "iat": now + told["iat"], "exp": now + told["exp"]})
    header = {"Authorization": f"Bearer {token.decode()}"}
    answer = await http.get(f"{cloud.storage_url}/storage/v1/b/{cloud.private_bucket}/o", headers=header)
    assert answer.status_code == status


async def test_the_store_behind_the_door_has_no_other_way_in(cloud: Cloud, http: httpx.AsyncClient) -> None:
    for path in ("/_internal/delete_all", "/_internal/config", "/batch/storage/v1", "/", "/upload/resumable/1"):
        assert (await http.post(f"{cloud.storage_url}{path}")).status_code in {400, 403}, path


async def test_pubsub_is_told_of_an_upload_and_of_a_deletion(
    cloud: Cloud, signer: Signer, http: httpx.AsyncClient, listener: Listener
) -> None:
    blob = signer.blob()
    await http.request(**signer.upload(blob).request)
    attributes, body = await listener.hears(cloud.private_bucket)
    assert attributes["eventType"] == "OBJECT_FINALIZE"
    assert attributes["payloadFormat"] == "JSON_API_V1"
    assert attributes["objectId"] == blob.name
    assert (body["name"], body["size"], body["contentType"]) == (blob.name, str(len(BODY)), "image/png")
    blob.delete()
    attributes, body = await listener.hears(cloud.private_bucket)
    assert (attributes["eventType"], body["name"]) == ("OBJECT_DELETE", blob.name)


async def test_a_refused_upload_is_told_to_nobody(
    cloud: Cloud, signer: Signer, http: httpx.AsyncClient, listener: Listener
) -> None:
    refused, stored = signer.blob(), signer.blob()
    upload = signer.upload(refused)
    upload.content = BODY + b"\0"
    await http.request(**upload.request)
    await http.request(**signer.upload(stored).request)
    attributes, _ = await listener.hears(cloud.private_bucket)
    assert attributes["objectId"] == stored.name
