"""What lies in the object store of a stack and what it tells, past every rule of the media service."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.cloud import storage
from google.oauth2 import service_account
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from packhouse.stack import Stack

TOPIC = "storage-objects"
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"


@dataclass(frozen=True)
class ObjectStore:
    """Seen with its owner's key. `private` and `public` are the names of its buckets, `url` is where it answers."""

    url: str
    private: str
    public: str
    client: Any

    @classmethod
    def of(cls, stack: Stack) -> "ObjectStore":
        told = stack.environment("media")
        credentials = service_account.Credentials.from_service_account_file(
            told["PACKHOUSE_STORAGE_KEY_FILE"], scopes=[SCOPE], always_use_jwt_access=True
        )
        url = told["PACKHOUSE_STORAGE_URL"]
        client = storage.Client(
            project=credentials.project_id, credentials=credentials, client_options={"api_endpoint": url}
        )
        return cls(url, told["PACKHOUSE_STORAGE_PRIVATE_BUCKET"], told["PACKHOUSE_STORAGE_PUBLIC_BUCKET"], client)

    async def keys(self, prefix: str) -> set[str]:
        """Every key of both buckets that begins so."""

        def listed() -> set[str]:
            buckets = (self.private, self.public)
            return {one.name for bucket in buckets for one in self.client.list_blobs(bucket, prefix=prefix)}

        return await asyncio.to_thread(listed)

    def addresses(self, key: str) -> list[str]:
        """Every unsigned way to ask for an object's bytes."""
        quoted = key.replace("/", "%2F")
        return [
            way
            for bucket in (self.private, self.public)
            for way in (
                f"{self.url}/{bucket}/{key}",
                f"{self.url}/storage/v1/b/{bucket}/o/{quoted}?alt=media",
                f"{self.url}/download/storage/v1/b/{bucket}/o/{quoted}?alt=media",
            )
        ]


class Forger:
    """Publishes where the store tells of its objects, as somebody would who has got hold of the topic."""

    def __init__(self, stack: Stack) -> None:
        told = stack.environment("media")
        channel = grpc.insecure_channel(told["PACKHOUSE_PUBSUB_EMULATOR"])
        self._topic = f"projects/{told['PACKHOUSE_PUBSUB_PROJECT']}/topics/{TOPIC}"
        self._publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))

    async def says(self, event: str, bucket: str, key: str, **facts: Any) -> None:
        """A notification as the store writes them, with these facts of the object in place of true ones."""
        attributes = {"eventType": event, "payloadFormat": "JSON_API_V1", "bucketId": bucket, "objectId": key}
        await self.sends(json.dumps({"kind": "storage#object", "name": key, "bucket": bucket, **facts}), attributes)

    async def sends(self, body: str, attributes: Mapping[str, str]) -> None:
        message = PubsubMessage(data=body.encode(), attributes=dict(attributes))
        await asyncio.to_thread(self._publisher.publish, topic=self._topic, messages=[message])
