"""One leader per service: whoever holds a session advisory lock on its own connection (reliability 3.1).

The relay role's `idle_session_timeout` ends the session of a leader that was paused, so its standby never waits longer
than that; a leader that wakes up after a pause notices by its own clock before it publishes anything.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from chassis.db.errors import AWAY
from chassis.outbox.emission import channel_of

BEAT_SECONDS = 0.25
STANDBY_SECONDS = 0.25
SILENCE_SECONDS_MAX = 6.0
"""Below the 8 s after which PostgreSQL ends the session: from then on somebody else may lead."""
COMMAND_SECONDS = 5.0


class LeadershipLost(Exception):  # noqa: N818  it names what happened
    """The session that held the lock is gone, or may be."""


class StatementFailed(LeadershipLost):
    """The server refused a statement; the session itself still stands."""


class Session:
    """The leader's connection. It runs one statement at a time and knows when the server last answered."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self._answered_at = time.monotonic()

    async def fetch(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Raises `LeadershipLost` when the connection fails, `StatementFailed` when only the statement does."""
        async with self._turn:
            try:
                rows: list[asyncpg.Record] = await self._connection.fetch(statement, *args)
            except AWAY as error:
                kind = LeadershipLost if self._connection.is_closed() else StatementFailed
                raise kind(f"{type(error).__name__}: {error}") from error
            self._answered_at = time.monotonic()
            return rows

    async def listen(self, service: str, heard: Callable[[], None]) -> None:
        """Call `heard` at each NOTIFY of the service's outbox."""

        def on_notify(*_: Any) -> None:
            heard()

        async with self._turn:
            try:
                await self._connection.add_listener(channel_of(service), on_notify)
            except AWAY as error:
                raise LeadershipLost(f"{type(error).__name__}: {error}") from error

    def assure(self) -> None:
        """Raises `LeadershipLost` when the server has been silent for so long that another may lead by now."""
        if time.monotonic() - self._answered_at > SILENCE_SECONDS_MAX:
            raise LeadershipLost("paused for too long")

    async def beat(self) -> None:
        """Keep the session from idling; ends only with `LeadershipLost`."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self.assure()
            if time.monotonic() - self._answered_at >= BEAT_SECONDS:
                await self.fetch("select 1")


@asynccontextmanager
async def leading(url: str, service: str, stop: asyncio.Event) -> AsyncIterator[Session | None]:
    """Waits until this process leads, then gives the session. None when `stop` came first.

    Raises `LeadershipLost` when the database goes away, while waiting too.
    """
    try:
        connection = await _connect(url, service)
    except AWAY as error:
        raise LeadershipLost(f"{type(error).__name__}: {error}") from error
    try:
        session = Session(connection)
        while not await try_lead(session, service):
            if stop.is_set():
                yield None
                return
            await asyncio.sleep(STANDBY_SECONDS)
        yield session
    finally:
        connection.terminate()


async def try_lead(session: Session, service: str) -> bool:
    rows = await session.fetch("select pg_try_advisory_lock(hashtextextended($1, 0))", f"packhouse.relay.{service}")
    return bool(rows[0][0])


async def _connect(url: str, service: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(
        url,
        timeout=COMMAND_SECONDS,
        command_timeout=COMMAND_SECONDS,
        server_settings={"application_name": f"packhouse {service} relay"},
    )
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    return connection
