"""PostgreSQL, Redis and RabbitMQ of one stack, for some also the cloud's stand-ins: private ones, or those that the
environment names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

from packhouse.home import Home
from packhouse.servers.base import Given, Server
from packhouse.servers.postgres import Postgres
from packhouse.servers.pubsub import PubSub
from packhouse.servers.rabbitmq import RabbitMQ
from packhouse.servers.redis import Redis
from packhouse.servers.storage import Storage

POSTGRES_URL = "PACKHOUSE_POSTGRES_URL"
REDIS_URL = "PACKHOUSE_REDIS_URL"
RABBITMQ_URL = "PACKHOUSE_RABBITMQ_URL"
STORAGE_URL = "PACKHOUSE_STORAGE_URL"
PUBSUB_EMULATOR = "PACKHOUSE_PUBSUB_EMULATOR"
SERVER_PROCESSES = {Postgres.name, Redis.name, RabbitMQ.name, "epmd", Storage.name, PubSub.name}

__all__ = [
    "Given",
    "Postgres",
    "PubSub",
    "RabbitMQ",
    "Redis",
    "Server",
    "Servers",
    "Storage",
    "end_everything",
    "in_parallel",
    "with_database",
]


class Servers:
    """A named server is used as it is; a private one is started even when something runs on the standard port.

    With `cloud`, an object store and Pub/Sub are among them.
    """

    def __init__(self, home: Home, environment: Mapping[str, str] | None = None, *, cloud: bool = False) -> None:
        named = os.environ if environment is None else environment
        self._has_cloud = cloud
        self.postgres = Given("postgres", named[POSTGRES_URL], 5432) if named.get(POSTGRES_URL) else Postgres(home)
        self.redis = Given("redis", named[REDIS_URL], 6379) if named.get(REDIS_URL) else Redis(home)
        self.rabbitmq = Given("rabbitmq", named[RABBITMQ_URL], 5672) if named.get(RABBITMQ_URL) else RabbitMQ(home)

        emulator = named.get(PUBSUB_EMULATOR)
        self.pubsub = Given("pubsub", f"grpc://{emulator}", 8085) if emulator else PubSub(home)
        store = named.get(STORAGE_URL)
        self.storage = Given("storage", store, 80) if store else Storage(home, self.pubsub)

    @property
    def cloud(self) -> tuple[Server | Given, ...]:
        return self.pubsub, self.storage

    @property
    def all(self) -> tuple[Server | Given, ...]:
        floor = (self.postgres, self.redis, self.rabbitmq)
        return (*floor, *self.cloud) if self._has_cloud else floor

    def settle_addresses(self) -> None:
        """From here on every `url` is known, though nothing may answer there yet."""
        for server in self.all:
            server.settle_address()

    def start(self) -> None:
        self.settle_addresses()
        in_parallel([server.start for server in self.all])

    def stop(self) -> None:
        """Stand-ins too that only some of those who use this folder have asked for."""
        in_parallel([server.stop for server in {*self.all, *self.cloud}])


def in_parallel(calls: list[Callable[[], None]]) -> None:
    """Run all to their end, then raise the first failure."""
    if not calls:
        return
    with ThreadPoolExecutor(len(calls)) as pool:
        running = [pool.submit(call) for call in calls]
    for future in running:
        future.result()


def end_everything(home: Home) -> None:
    """Every process on the roster: services first, each with its grace, then the servers they stand on."""
    living = home.roster.living()
    in_parallel([process.stop for name, process in living.items() if name not in SERVER_PROCESSES])
    private = Servers(home, {})
    private.stop()
    for name in living:
        home.roster.forget(name)


def with_database(url: str, name: str, *, user: str | None = None, password: str | None = None) -> str:
    """The same server, another database and, when given, another role."""
    parts = urlsplit(url)
    address = parts.netloc
    if user is not None:
        credentials = user if password is None else f"{user}:{password}"
        address = f"{credentials}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=address, path=f"/{name}"))
