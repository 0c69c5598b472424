"""A client of the store as the house has one: it signs with the account's key, and speaks the JSON API."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.cloud import storage
from google.oauth2.service_account import Credentials

from testkit.cloud import Cloud

SCOPE = "https://www.googleapis.com/auth/devstorage.{}"
BODY = b"\x89PNG\r\n\x1a\n"


@dataclass(slots=True)
class Upload:
    """A signed PUT, which a test may spoil before it is sent."""

    url: str
    headers: dict[str, str]
    method: str = "PUT"
    content: bytes | Iterator[bytes] = BODY
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def request(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "url": self.url,
            "headers": {**self.headers, **self.more},
            "content": self.content,
        }


class Signer:
    def __init__(self, cloud: Cloud, credentials: Credentials) -> None:
        self.cloud = cloud
        self.client = storage.Client(
            project=cloud.project, credentials=credentials, client_options={"api_endpoint": cloud.storage_url}
        )

    def blob(self, key: str | None = None, *, bucket: str | None = None) -> storage.Blob:
        return self.client.bucket(bucket or self.cloud.private_bucket).blob(key or f"{uuid4()}/product/{uuid4()}.png")

    def upload(self, blob: storage.Blob, *, size: int = len(BODY), lives: timedelta = timedelta(minutes=15)) -> Upload:
        """As spec 3.1 wants it: type, length and a single write are bound."""
        headers = {"x-goog-content-length-range": f"1,{size}", "x-goog-if-generation-match": "0"}
        url = self.sign(blob, "PUT", lives=lives, content_type="image/png", headers=dict(headers))
        return Upload(url, {**headers, "Content-Type": "image/png"})

    def sign(self, blob: storage.Blob, method: str, *, lives: timedelta = timedelta(minutes=15), **more: Any) -> str:
        url: str = blob.generate_signed_url(
            version="v4", method=method, expiration=lives, api_access_endpoint=self.cloud.storage_url, **more
        )
        return url

    def names(self) -> list[str]:
        """Every key of the private bucket."""
        return [blob.name for blob in self.client.list_blobs(self.cloud.private_bucket)]


def credentials(key_file: Path, *, may: str = "read_write", private_key: str | None = None) -> Credentials:
    """The account's, or those of somebody who claims to be it with a key of his own."""
    known = json.loads(key_file.read_text())
    if private_key is not None:
        known["private_key"] = private_key
    made: Credentials = Credentials.from_service_account_info(
        known, scopes=[SCOPE.format(may)], always_use_jwt_access=True
    )
    return made


def another_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
