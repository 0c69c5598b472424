"""An object store and Pub/Sub as one test may use them: its own buckets and its own subscription."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from packhouse.cloud import VARIABLES, cloud_variables
from packhouse.servers import Servers
from packhouse.servers.pubsub import TOPIC

PREFIX = "PACKHOUSE_"
BACKOFF_SECONDS = (0.1, 1.0)
"""Least and most until a refused message comes again; a test does not wait as long as a laptop."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """What the media service would be told of it, by the names of its variables."""

    variables: Mapping[str, str]
    topic: str = TOPIC

    @property
    def settings(self) -> dict[str, str]:
        """The same by the names of its settings."""
        return {name.removeprefix(PREFIX).lower(): value for name, value in self.variables.items()}

    @property
    def storage_url(self) -> str:
        return self.variables["PACKHOUSE_STORAGE_URL"]

    @property
    def key_file(self) -> Path:
        return Path(self.variables["PACKHOUSE_STORAGE_KEY_FILE"])

    @property
    def private_bucket(self) -> str:
        return self.variables["PACKHOUSE_STORAGE_PRIVATE_BUCKET"]

    @property
    def public_bucket(self) -> str:
        return self.variables["PACKHOUSE_STORAGE_PUBLIC_BUCKET"]

    @property
    def pubsub_emulator(self) -> str:
        return self.variables["PACKHOUSE_PUBSUB_EMULATOR"]

    @property
    def project(self) -> str:
        return self.variables["PACKHOUSE_PUBSUB_PROJECT"]

    @property
    def subscription(self) -> str:
        return self.variables["PACKHOUSE_PUBSUB_SUBSCRIPTION"]


def open_cloud(servers: Servers, keys: Path) -> Cloud:
    """On servers that run. Google's libraries are slow to import, so only who comes here pays for them."""
    from emulators.admin import make_buckets, make_subscription

    own = uuid4().hex[:12]
    given = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    told = {**given, **cloud_variables(servers, keys)}
    names = {
        "PACKHOUSE_STORAGE_PUBLIC_BASE": f"{told['PACKHOUSE_STORAGE_URL']}/{own}-public",
        "PACKHOUSE_STORAGE_PRIVATE_BUCKET": f"{own}-private",
        "PACKHOUSE_STORAGE_PUBLIC_BUCKET": f"{own}-public",
        "PACKHOUSE_PUBSUB_SUBSCRIPTION": f"media-{own}",
    }
    cloud = Cloud({**told, **names})
    make_buckets(cloud.storage_url, cloud.key_file, (cloud.private_bucket, cloud.public_bucket))
    make_subscription(cloud.pubsub_emulator, cloud.project, cloud.topic, cloud.subscription, BACKOFF_SECONDS)
    return cloud


def close_cloud(cloud: Cloud) -> None:
    """Nobody is left who would take its messages. The buckets go with the folder they are in."""
    from emulators.admin import delete_subscription

    delete_subscription(cloud.pubsub_emulator, cloud.project, cloud.subscription)
