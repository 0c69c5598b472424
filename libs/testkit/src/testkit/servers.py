"""PostgreSQL, Redis, RabbitMQ and the cloud's stand-ins for a test session: those the environment names, else private.

A private server starts when the first test asks for it, is shared by all workers and ends with the session. Each worker
has a Redis number and a virtual host of its own, each test a database of its own: a clone of a template that is built
once per session.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from packhouse.guard import watch_over
from packhouse.home import Home
from packhouse.processes import StackError
from packhouse.roster import exclusive
from packhouse.servers import Given, RabbitMQ, Server, Servers, end_everything, with_database
from testkit.cloud import Cloud, close_cloud, open_cloud

HOME_VARIABLE = "PACKHOUSE_TEST_HOME"
Build = Callable[[str], Awaitable[None]]


class TestServers:
    """The servers as one test worker sees them. What nobody has asked for yet is not started."""

    __test__ = False

    def __init__(self, home: Home, *, worker: int = 0, workers: int = 1) -> None:
        self._home = home
        self._worker = worker
        self._workers = workers
        self._servers = Servers(home)
        self._prefix = session_prefix(home)

    @property
    def postgres_url(self) -> str:
        """As superuser, to the maintenance database."""
        self._start(self._servers.postgres)
        return self._servers.postgres.url

    @property
    def redis_url(self) -> str:
        """This worker's own database number: the one in the URL and those after it."""
        self._start(self._servers.redis)
        parts = urlsplit(self._servers.redis.url)
        return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + self._worker}"))

    @property
    def rabbitmq_url(self) -> str:
        """This worker's own virtual host."""
        self._start(self._servers.rabbitmq)
        return _vhost_url(self._servers.rabbitmq.url, self._worker)

    @property
    def role_prefix(self) -> str:
        """Roles belong to a whole cluster: on one that others use, a session's roles bear its own prefix."""
        return f"{self._prefix}_" if isinstance(self._servers.postgres, Given) else ""

    def broker_alarms(self) -> str:
        """What the broker has too little of now, as an Erlang list: memory, disk, file handles."""
        words = ("eval", "rabbit_alarm:get_alarms().")
        broker = self._servers.rabbitmq
        return (broker.control(*words) if isinstance(broker, RabbitMQ) else _control(*words)).strip()

    def start(self) -> None:
        """All but the cloud's stand-ins at once, which is quicker than one after another."""
        with exclusive(self._home.lock):
            self._servers.start()
            self._make_vhosts()

    @asynccontextmanager
    async def database(self, template: str, build: Build) -> AsyncIterator[str]:
        """A database of one test, cloned from a template that `build(url)` fills when it does not exist yet."""
        origin = await self._template(template, build)
        name = f"{self._prefix}_{template}_{uuid4().hex[:8]}"
        await administer(self.postgres_url, f'create database "{name}" template "{origin}" strategy file_copy')
        try:
            yield with_database(self.postgres_url, name)
        finally:
            await administer(self.postgres_url, f'drop database if exists "{name}" with (force)')

    @asynccontextmanager
    async def cloud(self) -> AsyncIterator[Cloud]:
        """Two buckets of one test, and what happens in them told to a subscription of its own.

        A subscription hears of other tests' buckets too, as one at Google may.
        """
        for server in self._servers.cloud:
            await asyncio.to_thread(self._start, server)
        cloud = await asyncio.to_thread(open_cloud, self._servers, self._home.keys)
        try:
            yield cloud
        finally:
            await asyncio.to_thread(close_cloud, cloud)

    async def _template(self, template: str, build: Build) -> str:
        """The other workers wait while one builds; a build that fails is begun anew by the next who asks."""
        name = f"{self._prefix}_{template}"
        draft = f"{name}_draft"
        url = self.postgres_url
        with exclusive(self._home.root / "run" / f"template-{template}"):
            if name not in await databases(url, self._prefix):
                await administer(url, f'drop database if exists "{draft}" with (force)', f'create database "{draft}"')
                await build(with_database(url, draft))
                await administer(url, f'alter database "{draft}" rename to "{name}"')
        return name

    def _start(self, server: Server | Given) -> None:
        with exclusive(self._home.lock):
            server.start()
            if server is self._servers.rabbitmq:
                self._make_vhosts()

    def _make_vhosts(self) -> None:
        """The first worker uses the virtual host of the URL; the further ones get theirs here, once a session."""
        done = _vhosts_file(self._home)
        if self._workers == 1 or done.exists():
            return
        broker = self._servers.rabbitmq
        urls = [_vhost_url(broker.url, worker) for worker in range(1, self._workers)]
        names = [urlsplit(url).path.strip("/") for url in urls]
        if isinstance(broker, RabbitMQ):
            broker.add_vhosts(names)
        else:
            _add_vhosts_to_given(names, urlsplit(broker.url).username or "guest")
        done.write_text("\n".join(names))


def session_prefix(home: Home) -> str:
    """What the databases and roles of one session begin with."""
    return f"ph_{home.root.name.rpartition('-')[2].lower()}"


def open_home() -> Home:
    """The session's folder, made by the first process of it and ended, whatever comes, together with that process."""
    known = os.environ.get(HOME_VARIABLE)
    if known:
        return Home(Path(known))
    folder = Path(tempfile.mkdtemp(prefix="packhouse-tests-"))
    folder.chmod(0o711)  # PostgreSQL runs as another account and must be able to walk through
    os.environ[HOME_VARIABLE] = str(folder)
    home = Home(folder)
    watch_over(home, os.getpid(), remove=True)
    return home


def close_home(home: Home) -> None:
    """End the private servers, and remove from given ones what the session has made."""
    os.environ.pop(HOME_VARIABLE, None)
    servers = Servers(home)
    if isinstance(servers.postgres, Given):
        asyncio.run(_clear(servers.postgres.url, session_prefix(home)))
    if isinstance(servers.rabbitmq, Given) and _vhosts_file(home).exists():
        for name in _vhosts_file(home).read_text().splitlines():
            _control("delete_vhost", name)
    end_everything(home)
    home.wipe()
    shutil.rmtree(home.root, ignore_errors=True)


async def databases(url: str, prefix: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select datname from pg_database where starts_with(datname, $1)", prefix)
    finally:
        await connection.close()
    return [row["datname"] for row in rows]


async def administer(url: str, *statements: str) -> None:
    """Statements that may not run in a transaction, one after another."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _clear(url: str, prefix: str) -> None:
    names = await databases(url, prefix)
    await administer(url, *(f'drop database if exists "{name}" with (force)' for name in names))
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("select rolname from pg_roles where starts_with(rolname, $1)", f"{prefix}_")
    finally:
        await connection.close()
    await administer(url, *(f'drop role if exists "{row["rolname"]}"' for row in rows))


def _vhost_url(url: str, worker: int) -> str:
    if worker == 0:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/') or '/packhouse'}-{worker}"))


def _vhosts_file(home: Home) -> Path:
    """The virtual hosts this session has made."""
    return home.root / "run" / "vhosts"


def _add_vhosts_to_given(names: list[str], user: str) -> None:
    for name in names:
        _control("add_vhost", name)
        _control("set_permissions", "-p", name, user, ".*", ".*", ".*")


def _control(*words: str) -> str:
    control = shutil.which("rabbitmqctl")
    if control is None:
        raise StackError("several workers on a given RabbitMQ need rabbitmqctl; use private servers")
    return subprocess.run([control, "-q", *words], check=True, capture_output=True, text=True).stdout
