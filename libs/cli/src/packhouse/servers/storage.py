"""A private object store: fake-gcs-server behind the door of this house, which checks what Google would check."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from packhouse.home import Home
from packhouse.processes import Program
from packhouse.servers.base import Given, Server
from packhouse.servers.probe import replies
from packhouse.servers.pubsub import TOPIC, PubSub, require_emulators
from packhouse.storage_account import PROJECT, ensure_storage_account, storage_account_path

PRIVATE_BUCKET: Final = "packhouse-private"
PUBLIC_BUCKET: Final = "packhouse-public"
HEALTH: Final = b"GET /health HTTP/1.0\r\n\r\n"


class Storage(Server):
    name: ClassVar = "storage"

    def __init__(self, home: Home, pubsub: PubSub | Given) -> None:
        super().__init__(home)
        self._pubsub = pubsub
        self._offset = timedelta(0)

    @property
    def url(self) -> str:
        """Of the JSON API, of signed URLs and of public objects."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        require_emulators()
        ensure_storage_account(self.home.keys)
        self._pubsub.settle_address()

    def program(self) -> Program:
        """Pub/Sub may start later: what there is to tell waits for it a minute."""
        words = ["storage", "--port", str(self.port), "--root", str(self.home.data(self.name))]
        words += ["--account", str(storage_account_path(self.home.keys))]
        words += ["--bucket", PRIVATE_BUCKET, "--bucket", PUBLIC_BUCKET]
        words += ["--pubsub", urlsplit(self._pubsub.url).netloc, "--project", PROJECT, "--topic", TOPIC]
        if self._offset:
            words += ["--clock-offset-seconds", str(self._offset.total_seconds())]
        return Program(self.name, [sys.executable, "-m", "emulators", *words], self.home.log(self.name))

    @contextmanager
    def turned(self, by: timedelta) -> Iterator[None]:
        """The store's clock is ahead meanwhile: it is started again for it, and once more afterwards."""
        self._offset = by
        self.restart()
        try:
            yield
        finally:
            self._offset = timedelta(0)
            self.restart()

    def answers(self) -> bool:
        return replies(self.port, HEALTH, b"HTTP/1.0 200")
