"""The open resources of one process: what a door, a consumer, a job or a command stands on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chassis import failpoints, telemetry
from chassis.auth import SigningKey, Trust
from chassis.bus import connect
from chassis.calls import Calls, ServiceClient
from chassis.clock import SystemClock
from chassis.db import Database
from chassis.manifest import ClientFactory, Service
from chassis.settings import ServiceSettings

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection

REDIS_CONNECT_SECONDS = 0.5
REDIS_COMMAND_SECONDS = 1.0
REDIS_CONNECTIONS_MAX = 64

Client = TypeVar("Client")


class Floor:
    """Shared by everything in the process. `open_floor` makes one."""

    def __init__(
        self,
        service: Service,
        settings: ServiceSettings,
        *,
        clock: SystemClock,
        redis: Redis,
        db: Database | None,
        calls: Calls,
        signing_key: SigningKey,
        trust: Trust,
        factories: Mapping[type, ClientFactory],
    ) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock
        self.redis = redis
        self.signing_key = signing_key
        self.trust = trust
        self._db = db
        self._calls = calls
        self._factories = factories
        self._clients: dict[type, Any] = {}
        self._services: dict[str, ServiceClient] = {}
        self._broker: AbstractConnection | None = None

    @property
    def db(self) -> Database:
        """The service's database; a service without tables has none."""
        if self._db is None:
            raise RuntimeError(f"{self.service.name} declares no metadata, so it has no database")
        return self._db

    def client(self, kind: type[Client]) -> Client:
        """The one client of this kind, made by the manifest's factory at its first use."""
        made = self._clients.get(kind)
        if made is None:
            factory = self._factories.get(kind)
            if factory is None:
                raise LookupError(f"{self.service.name} declares no client {kind.__name__}")
            made = self._clients[kind] = factory(self)
        client: Client = made
        return client

    def calls(self, name: str) -> ServiceClient:
        """Signed calls to another service, whose addresses are the setting `<name>_url`."""
        known = self._services.get(name)
        if known is None:
            addresses = getattr(self.settings, f"{name}_url", None)
            if not addresses:
                raise LookupError(f"{self.service.name} has no setting {name}_url")
            known = self._services[name] = self._calls.to(name, addresses)
        return known

    async def ping_postgres(self) -> None:
        async with self.db.reader() as reader:
            await reader.fetchval("select 1")

    async def ping_redis(self) -> None:
        await self.redis.ping()

    async def ping_rabbitmq(self) -> None:
        """Holds one connection for this, so that a question costs no log-in; a broken one is opened anew."""
        if self._broker is None or self._broker.is_closed:
            self._broker = await connect(self.settings.rabbitmq_url, f"packhouse {self.service.name} health")

    async def aclose(self) -> None:
        """Give everything back. Clients with a `close` are closed first, because they may still need the rest."""
        for client in self._clients.values():
            close = getattr(client, "close", None)
            if close is not None:
                await close()
        if self._broker is not None and not self._broker.is_closed:
            await self._broker.close()
        await self._calls.close()
        if self._db is not None:
            await self._db.close()
        await self.redis.aclose()


@asynccontextmanager
async def open_floor(
    service: Service,
    settings: ServiceSettings,
    *,
    clock: SystemClock | None = None,
    clients: Mapping[type, ClientFactory] | None = None,
) -> AsyncIterator[Floor]:
    """Open what the service needs, and close it.

    Servers that are away are no error: they are found when they come back. `clients` replaces factories of the
    manifest, for tests.
    """
    failpoints.arm(settings.failpoints)
    telemetry.configure(settings, service)
    clock = clock or SystemClock(settings.clock_offset)
    async with aclosing(await _opened(service, settings, clock, {**service.clients, **(clients or {})})) as floor:
        yield floor


async def _opened(
    service: Service, settings: ServiceSettings, clock: SystemClock, factories: Mapping[type, ClientFactory]
) -> Floor:
    key = SigningKey.load(settings.key_file)
    return Floor(
        service,
        settings,
        clock=clock,
        redis=_redis(settings),
        db=await Database.open(service, settings, clock) if service.metadata is not None else None,
        calls=Calls(service.name, key),
        signing_key=key,
        trust=Trust(settings.trust_file),
        factories=factories,
    )


def _redis(settings: ServiceSettings) -> Redis:
    """One pool of text connections; who finds none free waits for one.

    A command that gets no answer in a second fails, because Redis is never the only copy of anything.
    """
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        timeout=REDIS_COMMAND_SECONDS,
        protocol=2,
        decode_responses=True,
        max_connections=REDIS_CONNECTIONS_MAX,
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        socket_timeout=REDIS_COMMAND_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)
