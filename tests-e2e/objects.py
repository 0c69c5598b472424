"""What lies in the object store of a stack, seen with its owner's key and past every rule of the media service."""

import asyncio
from dataclasses import dataclass
from typing import Any

from google.cloud import storage
from google.oauth2 import service_account

from packhouse.stack import Stack

SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"


@dataclass(frozen=True)
class ObjectStore:
    """`private` and `public` are the names of the two buckets, `url` is where the store answers."""

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

    async def put(self, bucket: str, key: str, data: bytes, mime_type: str) -> None:
        """As somebody with the owner's key could, without a presign."""
        blob = self.client.bucket(bucket).blob(key)
        await asyncio.to_thread(blob.upload_from_string, data, content_type=mime_type)

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
