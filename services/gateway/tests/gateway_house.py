"""A real gateway on a real socket, between a service that tells what it saw and an identity that a test can command."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import uvicorn
from aiohttp import web
from deeds import DEEDS, LEFT, die_first
from redis.asyncio import Redis

from chassis.auth import (
    AccessClaims,
    KeyRing,
    SigningKey,
    Trust,
    bearer,
    init_keys,
    jwks,
    key_path,
    mint_access,
    trust_path,
    verify_context,
    verify_service_token,
)
from chassis.clock import SystemClock
from chassis.floor import Floor, open_floor
from chassis.ids import new_id
from chassis.process import configuration
from chassis.web import create_app
from contracts.identity import SESSION_KEY, SessionState
from gateway.manifest import SERVICE
from gateway.settings import Settings
from kernel.refusal import Unauthenticated
from kernel.scope import Kyc, Role, StoreType, SystemRole
from testkit.proxy import ChaosProxy


async def listen(app: web.Application, port: int = 0) -> tuple[web.AppRunner, int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, int(runner.addresses[0][1])


@dataclass
class Seen:
    """One request as the service behind the gateway received it."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    body: bytes
    context: Any

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(found) <= 1, f"{name} stands twice"
        return found[0] if found else None


@dataclass
class Upstream:
    """A service that verifies its context as every service does, remembers what it saw, and does as `X-Do` asks."""

    audience: str
    trust: Trust
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    interrupted: int = 0
    runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app[LEFT] = []
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.runner, self.port = await listen(app, self.port)

    async def stop(self) -> None:
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def reached(self, count: int) -> None:
        """Return when so many requests have arrived."""
        while len(self.seen) < count:  # noqa: ASYNC110  a test watches a list here
            await asyncio.sleep(0.01)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health/ready":
            return web.json_response({"data": {"status": "ready"}})
        if request.path == "/openapi.json":
            return web.json_response(self.reference())
        try:
            body = await request.read()
        except Exception:
            self.interrupted += 1
            raise
        self.seen.append(self._seen(request, body))
        return await DEEDS[request.headers.get("X-Do", "tell")](request)

    def reference(self) -> dict[str, Any]:
        schema = {"type": "object", "title": self.audience}
        answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
        paths = {f"/api/v1/{self.audience}-things": {"get": {"responses": {"200": answer}}}, "/internal/v1/x": {}}
        return {"openapi": "3.1.0", "paths": paths, "components": {"schemas": {"Thing": schema}}}

    def _seen(self, request: web.Request, body: bytes) -> Seen:
        token = request.headers.get("X-PF-Context")
        try:
            context: Any = verify_context(
                self.trust, token, audience=self.audience, method=request.method, path=request.path
            )
        except Unauthenticated as refusal:
            context = refusal
        headers = [(name.decode(), value.decode()) for name, value in request.raw_headers]
        path, _, query = request.raw_path.partition("?")
        return Seen(request.method, path, query, headers, body, context)


@dataclass
class FakeIdentity(Upstream):
    """Identity's keys and sessions; everything else it answers as an upstream does.

    It publishes `keys`, or what a `ring` publishes by the gateway's clock, which a test may turn.
    """

    key: SigningKey = field(default_factory=SigningKey.generate)
    keys: list[SigningKey] = field(default_factory=list)
    ring: KeyRing | None = None
    clock: SystemClock = field(default_factory=SystemClock)
    sessions: dict[UUID, SessionState] = field(default_factory=dict)
    asked: list[UUID] = field(default_factory=list)
    key_fetches: int = 0
    is_away: bool = False

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.is_away:
            return await die_first(request)
        if request.path == "/.well-known/jwks.json":
            self.key_fetches += 1
            return web.json_response(self.document())
        if request.path.startswith("/internal/v1/sessions/"):
            token = bearer(request.headers.get("Authorization"))
            assert verify_service_token(self.trust, token, audience="identity").name == "gateway"
            sid = UUID(request.path.rsplit("/", 1)[1])
            self.asked.append(sid)
            state = self.sessions.get(sid)
            if state is None:
                error = {"code": "NOT_FOUND", "message": "resource not found", "request_id": "r"}
                return web.json_response({"error": error}, status=404)
            return web.json_response({"data": state.model_dump(mode="json")})
        return await super()._answer(request)

    def document(self) -> Mapping[str, Any]:
        return self.ring.published(self.clock.now().timestamp()) if self.ring else jwks(self.keys)


@dataclass
class House:
    """Everything a test needs: the gateway's client, the service and identity behind it, and Redis."""

    client: httpx.AsyncClient
    catalog: Upstream
    identity: FakeIdentity
    redis: Redis
    redis_road: ChaosProxy
    floor: Floor

    async def session(self, **scope: Any) -> SessionState:
        """A live session, known to identity only."""
        known: dict[str, Any] = {
            "store_id": new_id(),
            "store_type": StoreType.BUYER,
            "role": Role.OWNER,
            "kyc_status": Kyc.VERIFIED,
        }
        ids = {"sid": new_id(), "user_id": new_id(), "jti": str(new_id()), "generation": 1}
        state = SessionState(**{**ids, **known, **scope})
        self.identity.sessions[state.sid] = state
        return state

    async def without_store(self, **scope: Any) -> SessionState:
        return await self.session(store_id=None, store_type=None, role=None, kyc_status=None, **scope)

    async def admin(self) -> SessionState:
        return await self.without_store(system_role=SystemRole.ADMIN)

    async def hot(self, state: SessionState) -> None:
        """Put the copy into Redis, as identity does after each change."""
        await self.redis.set(SESSION_KEY.format(sid=state.sid), state.model_dump_json(), ex=300)

    def token(self, state: SessionState, **changes: Any) -> str:
        claims = {
            "user_id": state.user_id,
            "sid": state.sid,
            "jti": state.jti,
            "store_id": state.store_id,
            "store_type": state.store_type,
            "role": state.role,
            "system_role": state.system_role,
        }
        now = changes.pop("now", None)
        return mint_access(self.identity.key, AccessClaims(**{**claims, **changes}), now=now)

    def signed(self, state: SessionState, **more: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(state)}", **more}

    async def get(self, path: str, state: SessionState | None = None, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=self.signed(state, **headers) if state else headers)


def settings_of(directory: Path, redis_url: str, **urls: Any) -> Settings:
    fixed: dict[str, Any] = {
        "environment": "test",
        "redis_url": redis_url,
        "key_file": key_path(directory, "gateway"),
        "trust_file": trust_path(directory),
        "hmac_secret": "5f2c77a0b8e94b1c8d1f3a6f7e2d9c04b1a2",
        "rate_limits": False,
    }
    return Settings(**{**fixed, **urls})


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[str, Floor]]:
    """The gateway as its own process would run it, on a free port of this one."""
    async with open_floor(SERVICE, settings) as floor:
        config = configuration(create_app(floor), floor, host="127.0.0.1", port=0)
        config.timeout_graceful_shutdown = 1
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  uvicorn offers no event
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}", floor
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def opened(directory: Path, redis_url: str, **changes: Any) -> AsyncIterator[House]:
    init_keys(directory, ["gateway", "identity", "catalog", "orders"])
    trust = Trust(trust_path(directory))
    address = urlsplit(redis_url)
    async with AsyncExitStack() as stack:
        road = await stack.enter_async_context(ChaosProxy(address.hostname or "127.0.0.1", address.port or 6379))
        catalog, identity = Upstream("catalog", trust), FakeIdentity("identity", trust)
        identity.keys = [identity.key]
        for upstream in (catalog, identity):
            await upstream.start()
            stack.push_async_callback(upstream.stop)
        urls: Mapping[str, Any] = {"identity_url": identity.url, "catalog_url": catalog.url, **changes}
        settings = settings_of(directory, f"redis://127.0.0.1:{road.port}{address.path}", **urls)
        url, floor = await stack.enter_async_context(served(settings))
        identity.clock = floor.clock
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=20))
        redis = Redis.from_url(redis_url, protocol=2, decode_responses=True)
        stack.push_async_callback(redis.aclose)
        yield House(client, catalog, identity, redis, road, floor)


async def forget_limits(redis_url: str) -> None:
    """As if nobody had used any limit yet."""
    redis = Redis.from_url(redis_url, protocol=2)
    for key in await redis.keys("pf:rl:*"):
        await redis.delete(key)
    await redis.aclose()


async def raw_request(house: House, line: str, headers: dict[str, str]) -> bytes:
    """The first bytes of the answer to a request written by hand."""
    lines = [line, "Host: x", "Connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    async with wire(house) as (reader, writer):
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        await writer.drain()
        return await reader.read(4096)


@asynccontextmanager
async def wire(house: House) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the gateway for whoever writes requests byte by byte."""
    url = house.client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    """Everything that comes before the other side closes, in whatever way it does."""
    came = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            came += piece
    return came


async def seconds_of(house: House, state: SessionState, rank: float, path: str = "/api/v1/products") -> float:
    """How long a request takes at this rank of a hundred, one after another; the best of three rounds, because the
    machine has other work too.
    """
    return min([await _round(house, state, rank, path) for _ in range(3)])


async def _round(house: House, state: SessionState, rank: float, path: str) -> float:
    taken = []
    for _ in range(100):
        began = time.perf_counter()
        assert (await house.get(path, state)).status_code == 200
        taken.append(time.perf_counter() - began)
    return sorted(taken)[int(rank * 100) - 1]
