"""What keeps the stack from starting or from working, found before a person has to look for it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import asyncpg
from rich.console import Console

from packhouse.cloud import OWNER
from packhouse.environment import EDGE, installed_services
from packhouse.home import Home
from packhouse.instances import Instance
from packhouse.processes import StackError
from packhouse.servers import Given, Server, postgres, rabbitmq
from packhouse.servers.pubsub import require_emulators
from packhouse.stack import Stack

Finding = tuple[str, Callable[[], str]]
AGE_SECONDS_MAX = 30
EVENTS = """
select (select count(*) from {service}.outbox) as waiting,
       (select coalesce(extract(epoch from now() - min(created_at)), 0) from {service}.outbox) as age,
       (select count(*) from {service}.inbox_held) as held
"""


def examine(root: Path, console: Console) -> bool:
    """One line for each thing that was looked at; True when all is well. Services count when the stack is up."""
    well = True
    for name, look in _findings(Home(root)):
        try:
            console.print(f"  [green]ok[/]     {name}: {look()}")
        except (StackError, OSError, asyncpg.PostgresError) as error:
            well = False
            console.print(f"  [red]wrong[/]  {name}: ", end="")
            console.print(str(error), markup=False)
    return well


def _findings(home: Home) -> Iterator[Finding]:
    yield "PostgreSQL", lambda: str(postgres.binary("postgres"))
    yield "PostGIS", _postgis
    yield "Redis", partial(_program, "redis-server", "redis-server")
    yield "RabbitMQ", partial(_program, str(rabbitmq.SERVER), "rabbitmq-server")
    if OWNER in installed_services():
        yield "emulators", require_emulators
    if home.stack_file.exists():
        yield from _findings_of(Stack.attached(home.root))


def _findings_of(stack: Stack) -> Iterator[Finding]:
    for server in stack.servers.all:
        yield server.name, partial(_serves, server)
    for instance in stack.processes():
        yield instance.name, partial(_is_ready, instance)
    for service in stack.services:
        if service != EDGE:
            yield f"events of {service}", partial(_flow, stack.database_url(), service)


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise StackError(f"not installed; on Debian: apt-get install {package}")
    return found


def _postgis() -> str:
    found = sorted(Path("/usr/share/postgresql").glob("*/extension/postgis.control"))
    if not found:
        raise StackError("not installed; on Debian: apt-get install postgresql-15-postgis-3")
    return str(found[-1])


def _serves(server: Server | Given) -> str:
    if not server.answers():
        raise StackError(f"does not answer at {server.url}")
    return server.url


def _is_ready(instance: Instance) -> str:
    if not instance.alive:
        raise StackError(f"has ended, see {instance.home.log(instance.name)}")
    if not instance.is_ready():
        raise StackError(f"is not ready, ask {instance.url}/health/ready")
    return instance.url


def _flow(database_url: str, service: str) -> str:
    """Held events wait for a person or for another service; an old outbox row means that no relay publishes."""
    row = asyncio.run(_counts(database_url, service))
    told = f"{row['waiting']} waiting, {row['held']} held"
    if row["held"] or row["age"] > AGE_SECONDS_MAX:
        raise StackError(f"{told}, the oldest waits for {row['age']:.0f} s; see `packhouse held {service} list`")
    return told


async def _counts(database_url: str, service: str) -> asyncpg.Record:
    database = await asyncpg.connect(database_url)
    try:
        return await database.fetchrow(EVENTS.format(service=service))
    finally:
        await database.close()
