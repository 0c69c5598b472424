"""What the media service is told of the object store and of Pub/Sub: addresses, names, and the key it signs with."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from packhouse.servers import Given, Servers
from packhouse.servers.pubsub import SUBSCRIPTION
from packhouse.servers.storage import PRIVATE_BUCKET, PUBLIC_BUCKET
from packhouse.storage_account import PROJECT, storage_account_path

OWNER: Final = "media"
"""The only service that talks to the cloud; a stack without it has no stand-ins."""


VARIABLES: Final = (
    "PACKHOUSE_STORAGE_URL",
    "PACKHOUSE_STORAGE_PUBLIC_URL",
    "PACKHOUSE_STORAGE_PUBLIC_BASE",
    "PACKHOUSE_STORAGE_KEY_FILE",
    "PACKHOUSE_STORAGE_PRIVATE_BUCKET",
    "PACKHOUSE_STORAGE_PUBLIC_BUCKET",
    "PACKHOUSE_PUBSUB_EMULATOR",
    "PACKHOUSE_PUBSUB_PROJECT",
    "PACKHOUSE_PUBSUB_SUBSCRIPTION",
)


def cloud_variables(servers: Servers, keys: Path) -> dict[str, str]:
    """Whoever names a store in the environment names its buckets and the key there too; the same for Pub/Sub."""
    told: dict[str, str] = {}
    if not isinstance(servers.storage, Given):
        told |= {
            "PACKHOUSE_STORAGE_URL": servers.storage.url,
            "PACKHOUSE_STORAGE_PUBLIC_URL": servers.storage.url,
            "PACKHOUSE_STORAGE_PUBLIC_BASE": f"{servers.storage.url}/{PUBLIC_BUCKET}",
            "PACKHOUSE_STORAGE_KEY_FILE": str(storage_account_path(keys)),
            "PACKHOUSE_STORAGE_PRIVATE_BUCKET": PRIVATE_BUCKET,
            "PACKHOUSE_STORAGE_PUBLIC_BUCKET": PUBLIC_BUCKET,
        }
    if not isinstance(servers.pubsub, Given):
        told |= {
            "PACKHOUSE_PUBSUB_EMULATOR": urlsplit(servers.pubsub.url).netloc,
            "PACKHOUSE_PUBSUB_PROJECT": PROJECT,
            "PACKHOUSE_PUBSUB_SUBSCRIPTION": SUBSCRIPTION,
        }
    return told
