"""One service, started from its manifest in the test process on real servers; the test plays everybody around it.

Nothing runs by itself: `hears` delivers an event, `settle` publishes and consumes what is waiting, `runs` starts a job,
the clock moves when it is turned. So a test decides the order of things, and what it asserts does not depend on luck.
"""

import asyncio
import inspect
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg
import httpx

from chassis import failpoints
from chassis.auth import SigningKey, init_keys, key_path, trust_path
from chassis.bus import Envelope
from chassis.clock import SystemClock
from chassis.db import Database
from chassis.db.migrations import migrate
from chassis.db.roles import Roles, role_url
from chassis.floor import Floor, open_floor
from chassis.ids import new_id
from chassis.inbox.held import Reason
from chassis.jobs import JobOutcome, run_job
from chassis.manifest import Service
from chassis.outbox import Relay
from chassis.settings import ServiceSettings
from chassis.web import create_app
from contracts.event import Event
from packhouse.environment import ALL_SERVICES
from testkit.callers import Caller, Client, ServiceClient
from testkit.inbound import Inbound
from testkit.servers import TestServers

NOBODY = "http://127.0.0.1:9"
"""The address of every service a test does not play."""
SECRET = "b7d3f0c2a49e5816b7d3f0c2a49e5816"  # noqa: S105  of a database that lives for one test
ROUNDS_MAX = 50
RETRY_SECONDS = 0.06
COLLISION_SECONDS = 10

Said = TypeVar("Said", bound=Event)
Arrival = Callable[[int], Awaitable[None]]


class World:
    """A running service. Opened with `await World.open(...)` and closed with `close`, or with `async with`."""

    def __init__(self, stack: AsyncExitStack, floor: Floor, admin_url: str, roles: Roles, keys: Path) -> None:
        self.floor = floor
        self.admin_url = admin_url
        self.roles = roles
        self._stack = stack
        self._keys = keys
        self._inbound = Inbound(floor)
        self._relay = Relay(floor)
        self._numbers: dict[tuple[str, str, UUID], int] = defaultdict(int)
        self._heard: list[Envelope] = []
        transport = httpx.ASGITransport(app=create_app(floor), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=f"http://{floor.service.name}")

    @classmethod
    def open(
        cls,
        service: Service,
        servers: TestServers,
        *,
        clients: Mapping[type, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
        versions: Path | None = None,
    ) -> "Opening":
        """A fresh world. `clients` maps client classes to fakes, or to factories of the manifest's kind.

        `settings` overrides what the world would choose; `versions` the place of the migrations.
        """
        return Opening(service, servers, clients or {}, settings or {}, versions)

    @property
    def service(self) -> Service:
        return self.floor.service

    @property
    def db(self) -> Database:
        return self.floor.db

    @property
    def clock(self) -> SystemClock:
        return self.floor.clock

    @property
    def nobody(self) -> Client:
        """A client without any token."""
        return Client(self.http, self.service.name)

    def caller(self, **who: Any) -> Caller:
        """Whoever the fields of a `Context` tell: user_id, sid, store_id, store_type, kyc_status, role, system_role.

        Without a user this is an anonymous request, as the gateway passes it on.
        """
        return Caller(self.http, self.service.name, self._key("gateway"), **who)

    def service_caller(
        self, name: str, *, act_user_id: UUID | None = None, act_store_id: UUID | None = None
    ) -> ServiceClient:
        """Another service, on its own or on behalf of a user and store."""
        key = self._key(name)
        acting = {"act_user_id": act_user_id, "act_store_id": act_store_id}
        return ServiceClient(self.http, self.service.name, key, name, **acting)

    async def hears(
        self, event: Event, *, seq: int | None = None, baseline: bool = False, epoch: int = 1, may_fail: bool = False
    ) -> None:
        """Deliver an event of another service through exchange, queue and inbox.

        Numbers count up per aggregate unless `seq` is given. A source that was restored from a backup speaks in a
        higher epoch, beginning with a baseline. Raises AssertionError when the handler fails, unless it may.
        """
        assert self._inbound.hears(event.source(), event.aggregate), f"{self.service.name} hears no {event.topic}"
        envelope = self._envelope(event, seq, baseline=baseline, epoch=epoch)
        await self._inbound.publish(envelope)
        self._heard += await self._inbound.apply(1)
        if not may_fail:
            await self._assert_nothing_failed()

    async def settle(self, *, twice: bool = False, may_fail: bool = False) -> None:
        """Publish the outbox and consume the queue until both are empty and nothing waits to be retried.

        `twice` delivers everything heard since the last time once more. Raises AssertionError for a handler that keeps
        failing, and for an event that waits for one that never comes, unless they may.
        """
        await self._drain()
        if twice:
            for envelope in self._heard:
                await self._inbound.consumer.apply(envelope)
        self._heard.clear()
        for _ in range(ROUNDS_MAX):
            if may_fail or not await self._retry():
                break
            await self._drain()
        if not may_fail:
            await self._assert_nothing_held()

    async def drain(self) -> None:
        """Publish the outbox, and nothing else."""
        await self._relay.drain()

    async def emitted(self, kind: type[Said]) -> list[Said]:
        """What the service has said of this kind, published or not, in the order it was said."""
        async with self.db.reader() as db:
            rows = await db.fetch(_EMITTED, kind.topic)
        return [kind.model_validate(row["payload"]) for row in rows]

    async def runs(self, job: str) -> JobOutcome:
        """Run a job now, whether it is due or not."""
        return await run_job(self.floor, job)

    async def warm_up(self) -> None:
        """Open every connection of the pool: what a test asks at once after this does run at once."""
        async with AsyncExitStack() as held:
            for _ in range(self.floor.settings.database_pool):
                await held.enter_async_context(self.db.reader())

    @asynccontextmanager
    async def collision(self, locking: str, *args: Any, waiting: int) -> AsyncIterator[Arrival]:
        """Hold what a statement locks until this many transactions of the service wait.

        Start what shall collide inside the block; who shall come later starts after `await arrived(n)`, for the lock
        goes to them in the order of their coming. Raises TimeoutError when they do not come within ten seconds.
        """
        pool = asyncpg.create_pool(
            self.admin_url, min_size=2, max_size=2, server_settings={"search_path": f"{self.service.name}, public"}
        )

        async def arrived(transactions: int) -> None:
            async with asyncio.timeout(COLLISION_SECONDS):
                while await pool.fetchval(_WAITING) < transactions:  # noqa: ASYNC110  PostgreSQL tells nobody who waits
                    await asyncio.sleep(0.01)

        async with pool, pool.acquire() as holder, holder.transaction():
            await holder.fetch(locking, *args)
            yield arrived
            await arrived(waiting)

    async def close(self) -> None:
        failpoints.arm("")
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _key(self, issuer: str) -> SigningKey:
        return SigningKey.load(key_path(self._keys, issuer))

    def _envelope(self, event: Event, seq: int | None, *, baseline: bool, epoch: int = 1) -> Envelope:
        stream = (event.source(), event.aggregate, event.aggregate_id)
        number = self._numbers[stream] + 1 if seq is None else seq
        self._numbers[stream] = max(number, self._numbers[stream])
        return Envelope(
            event_id=new_id(),
            topic=event.topic,
            source=event.source(),
            epoch=epoch,
            aggregate_type=event.aggregate,
            aggregate_id=event.aggregate_id,
            seq=number,
            baseline=baseline,
            occurred_at=self.clock.now().astimezone(UTC),
            traceparent=None,
            request_id=f"test-{number}",
            actor=f"service:{event.source()}",
            data=event.model_dump(mode="json"),
        )

    async def _drain(self) -> None:
        """A service that hears itself gets its own events back, which may make it say more."""
        for _ in range(ROUNDS_MAX):
            pending = await self._pending()
            if not pending:
                return
            await self.drain()
            own = sum(self._inbound.hears(self.service.name, kind) for kind in pending)
            self._heard += await self._inbound.apply(own)
        raise AssertionError("the service keeps answering its own events")

    async def _pending(self) -> list[str]:
        """Aggregate types of the events that wait in the outbox."""
        async with self.db.reader() as db:
            return [row["aggregate_type"] for row in await db.fetch("select aggregate_type from outbox")]

    async def _retry(self) -> bool:
        """Try held events whose time comes soon; tells whether any were."""
        async with self.db.reader() as db:
            soon = await db.fetchval(_SOON)
        if soon:
            await asyncio.sleep(RETRY_SECONDS)
            await self._inbound.consumer.retrier.step()
        return bool(soon)

    async def _assert_nothing_failed(self) -> None:
        await self._assert_not_held([Reason.FAILED, Reason.REFUSED, Reason.UNREADABLE])

    async def _assert_nothing_held(self) -> None:
        await self._assert_not_held(list(Reason))

    async def _assert_not_held(self, reasons: list[Reason]) -> None:
        async with self.db.reader() as db:
            rows = await db.fetch(_HELD, [reason.value for reason in reasons])
        assert not rows, "held: " + "; ".join(
            f"{row['topic']} #{row['seq']} {row['reason']}: {row['error']}" for row in rows
        )


class Opening:
    """A world on its way: awaited, or entered."""

    def __init__(
        self,
        service: Service,
        servers: TestServers,
        clients: Mapping[type, Any],
        settings: Mapping[str, Any],
        versions: Path | None,
    ) -> None:
        self._service = service
        self._servers = servers
        self._clients = {kind: _factory(made) for kind, made in clients.items()}
        self._overrides = settings
        self._versions = versions
        self._world: World | None = None

    def __await__(self) -> Generator[Any, None, World]:
        return self._open().__await__()

    async def __aenter__(self) -> World:
        self._world = await self._open()
        return self._world

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._world is not None:
            await self._world.close()

    async def _open(self) -> World:
        async with AsyncExitStack() as stack:
            keys = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            others = {event.source() for event in self._service.consumes}
            init_keys(keys, sorted({*ALL_SERVICES, self._service.name, *others}))
            admin_url = await stack.enter_async_context(self._servers.database(self._service.name, self._build))
            settings = self._settings(keys, admin_url)
            opened = open_floor(self._service, settings, clock=SystemClock(), clients=self._clients)
            floor = await stack.enter_async_context(opened)
            await floor.redis.flushdb()
            roles = Roles.of(self._service.name, self._servers.role_prefix)
            world = World(stack, floor, admin_url, roles, keys)
            stack.push_async_callback(world.http.aclose)
            stack.push_async_callback((await world._inbound.open()).close)  # noqa: SLF001  the other half of this module
            world._stack = stack.pop_all()  # noqa: SLF001  as above
            return world

    async def _build(self, url: str) -> None:
        prefix = self._servers.role_prefix
        await migrate(self._service, url, hmac_secret=SECRET, role_prefix=prefix, versions=self._versions)

    def _settings(self, keys: Path, admin_url: str) -> ServiceSettings:
        roles = Roles.of(self._service.name, self._servers.role_prefix)
        chosen: dict[str, Any] = {
            "environment": "test",
            "database_url": role_url(admin_url, roles.app, SECRET),
            "relay_database_url": role_url(admin_url, roles.relay, SECRET),
            "redis_url": self._servers.redis_url,
            "rabbitmq_url": self._servers.rabbitmq_url,
            "key_file": key_path(keys, self._service.name),
            "trust_file": trust_path(keys),
            "hmac_secret": SECRET,
        }
        for name, field in self._service.settings.model_fields.items():
            if field.is_required() and name not in {*chosen, *self._overrides}:
                chosen[name] = _stand_in(name, keys)
        return self._service.settings(**{**chosen, **self._overrides})


def _factory(made: Any) -> Any:
    """A function is a factory already; anything else is the client itself."""
    return made if inspect.isfunction(made) else lambda _: made


def _stand_in(name: str, keys: Path) -> Any:
    """What a service's own required setting gets: an address of nobody, or a fresh key."""
    if name.endswith("_url"):
        return NOBODY
    if name.endswith("_key_file"):
        SigningKey.generate().save(keys / name)
        return keys / name
    raise LookupError(f"the world does not know what {name} should be: pass settings={{{name!r}: ...}}")


_EMITTED = """
select payload from (
    select id, payload from outbox where type = $1 union all select id, payload from outbox_archive where type = $1
) as said order by id
"""
_WAITING = """
select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""
_SOON = "select exists (select from inbox_held where next_at < clock_now() + interval '1 second')"
_HELD = "select topic, seq, reason, error from inbox_held where reason = any($1::text[]) order by held_at"
