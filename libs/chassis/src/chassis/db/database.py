"""The one connection pool of a process. Transactions begin, commit and roll back here and nowhere else."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, overload

import asyncpg

from chassis.clock import SystemClock
from chassis.db.errors import AWAY, DATABASE, CommitUnknown, mapped, refusal_of
from chassis.db.transaction import Reader, Tx
from chassis.failpoints import FailpointError, failpoint
from chassis.jsontext import encode_json
from chassis.telemetry import gauge, get_logger, span
from kernel.refusal import Unavailable
from kernel.scope import Actor

if TYPE_CHECKING:
    from chassis.manifest import Service
    from chassis.settings import ServiceSettings

ACQUIRE_SECONDS = 2.0
COMMAND_SECONDS = 7.0
"""A backstop for a connection that has gone silent; the role's `statement_timeout` is the ordinary limit."""
LIFETIME_SECONDS = 3600.0
STATEMENTS_CACHED = 400

Record: TypeAlias = asyncpg.Record
Kind = TypeVar("Kind", bound=Tx)

_decode_json = json.loads
_log = get_logger("chassis.db")
_in_use = gauge("db_pool_in_use", "Connections that work at this moment")
_most = gauge("db_pool_max", "Connections that may be open")


class UnsafeDatabase(RuntimeError):  # noqa: N818  it names what was found
    """The database would acknowledge commits that a crash can lose."""


class Database:
    """Readers and transactions of one service over one pool, which heals by itself after the server was away."""

    def __init__(self, service: "Service", pool: asyncpg.Pool, clock: SystemClock) -> None:
        self._service = service
        self._pool = pool
        self._clock = clock
        self._clock_was_turned = False
        self._renewed_at = time.monotonic()

    @classmethod
    async def open(cls, service: "Service", settings: "ServiceSettings", clock: SystemClock) -> Self:
        """Raises `UnsafeDatabase` when synchronous_commit is off. A server that is away is found later, by the pool."""
        pool = asyncpg.create_pool(
            settings.database_url,
            min_size=0,
            max_size=settings.database_pool,
            timeout=ACQUIRE_SECONDS,
            command_timeout=COMMAND_SECONDS,
            statement_cache_size=STATEMENTS_CACHED,
            server_settings={"application_name": f"packhouse {service.name}"},
            init=_prepare,
            reset=_keep,
        )
        await pool
        _most.set(pool.get_max_size())
        _in_use.set_function(lambda: pool.get_size() - pool.get_idle_size())
        db = cls(service, pool, clock)
        try:
            async with db._connection():
                pass
        except Unavailable as away:
            _log.warning("db.away_at_start", error=str(away.__cause__))
        return db

    async def close(self) -> None:
        """Close the pool; whoever still holds a connection has five seconds."""
        try:
            await asyncio.wait_for(self._pool.close(), timeout=5)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """Reads of one statement each, without BEGIN: two of them may see different moments."""
        async with self._connection() as connection:
            yield Reader(connection)

    @overload
    def transaction(self, *, actor: Actor, request_id: str) -> AbstractAsyncContextManager[Tx]: ...
    @overload
    def transaction(self, *, actor: Actor, request_id: str, kind: type[Kind]) -> AbstractAsyncContextManager[Kind]: ...
    def transaction(self, *, actor: Actor, request_id: str, kind: type[Tx] = Tx) -> AbstractAsyncContextManager[Tx]:
        """Commits when the block ends well: deferred calls, outbox, audit rows, COMMIT, calls after it.

        An exception rolls all of it back and goes on. Raises `CommitUnknown` when nobody can tell whether it was
        committed.
        """
        return self._transaction(actor, request_id, kind)

    @asynccontextmanager
    async def _transaction(self, actor: Actor, request_id: str, kind: type[Kind]) -> AsyncIterator[Kind]:
        async with self._connection() as connection:
            begun = connection.transaction()
            with mapped():
                await begun.start()
            tx = kind(connection, self._service, actor, request_id, self._clock.now())
            try:
                yield tx
                said = await tx.flush()
                await self._pass_failpoints("before_commit", said=said)
            except BaseException:
                await _roll_back(begun)
                raise
            await self._commit(begun, said=said)
        await tx.run_after_commit()

    async def _commit(self, begun: Any, *, said: bool) -> None:
        """A failpoint after the commit stands for an answer that was lost on its way."""
        try:
            await begun.commit()
            await self._pass_failpoints("after_commit", said=said)
        except asyncpg.IntegrityConstraintViolationError as error:
            raise refusal_of(error) from error
        except (*AWAY, FailpointError) as error:
            raise CommitUnknown from error

    async def _pass_failpoints(self, moment: str, *, said: bool) -> None:
        await failpoint(f"{self._service.name}.{moment}")
        if said:
            await failpoint(f"outbox.{moment}")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool. Waiting too long for one is `Unavailable`, as is a server that does not answer."""
        await self._renew()
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except AWAY as error:
            raise Unavailable(DATABASE) from error
        try:
            with span("postgresql"):
                await self._tell_clock(connection)
                yield connection
        finally:
            await self._release(connection)

    async def _release(self, connection: asyncpg.Connection) -> None:
        try:
            await asyncio.shield(self._pool.release(connection, timeout=ACQUIRE_SECONDS))
        except AWAY as error:
            _log.warning("db.release_failed", error=str(error))

    async def _renew(self) -> None:
        """Every connection is replaced once an hour, so that none keeps the memory or address of a former server."""
        if time.monotonic() - self._renewed_at > LIFETIME_SECONDS:
            self._renewed_at = time.monotonic()
            await self._pool.expire_connections()

    async def _tell_clock(self, connection: asyncpg.Connection) -> None:
        """The database's `clock_now()` follows a clock that a test has turned; an unturned one costs nothing."""
        offset = self._clock.offset
        if offset or self._clock_was_turned:
            self._clock_was_turned = True
            with mapped():
                await turn_clock(connection, offset)


async def turn_clock(connection: asyncpg.Connection, offset: timedelta) -> None:
    """Make `clock_now()` run ahead on this connection."""
    await connection.fetchval(
        "select set_config('packhouse.clock_offset', $1, false)", f"{offset.total_seconds()} seconds"
    )


async def _prepare(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, encoder=encode_json, decoder=_decode_json, schema="pg_catalog")
    if await connection.fetchval("show synchronous_commit") == "off":
        raise UnsafeDatabase("synchronous_commit is off: a commit that was answered could be lost")


async def _keep(_: asyncpg.Connection) -> None:
    """Nothing to reset: whatever a transaction sets ends with it, and resetting would cost a round trip each time."""


async def _roll_back(begun: Any) -> None:
    """The block's own exception is the one to tell; a connection that cannot roll back is dropped at its release."""
    try:
        await begun.rollback()
    except AWAY as error:
        _log.warning("db.rollback_failed", error=str(error))
