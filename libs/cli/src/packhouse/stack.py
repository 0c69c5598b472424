"""A whole Packhouse on this machine: servers, schemas and services, on private ports, in one folder.

`packhouse up` runs one that outlives the command; a test runs its own:

    with Stack(tmp_path, instances={"orders": 3}, rate_limits=False) as stack:
        stack.process("orders", 2).kill()
        stack.restart("catalog", environment={"PACKHOUSE_FAILPOINTS": "reserve.after_commit=kill@1"})
        stack.servers.rabbitmq.kill()
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from packhouse import database, guard
from packhouse.cloud import OWNER
from packhouse.environment import ADMIN_URL, EDGE, Surroundings, installed_services
from packhouse.home import Home
from packhouse.instances import Instance, Role
from packhouse.keys import ensure_keys
from packhouse.processes import CommandError, Process, StackError
from packhouse.roster import exclusive
from packhouse.servers import SERVER_PROCESSES, Servers, end_everything, in_parallel

API = ("api", "--with-worker")
COMMAND_SECONDS = 120
Mode = Literal["development", "test"]


class Stack:
    """Everything lives under `root`. Unless `detached`, it ends with the process that started it, and its data too.

    `environment` adds variables to the processes of a service, `instances` says how many API processes it has (one),
    `given` names servers to use as the environment would: None reads the environment, {} asks for private ones.
    """

    _guard: Process | None = None

    def __init__(
        self,
        root: Path,
        *,
        services: Sequence[str] | None = None,
        instances: Mapping[str, int] | None = None,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        rate_limits: bool = True,
        mode: Mode = "test",
        given: Mapping[str, str] | None = None,
        gateway_port: int | None = None,
        detached: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = Home(root)
        self.services = tuple(services or installed_services())
        self.servers = Servers(self.home, given, cloud=OWNER in self.services)
        self.detached = detached
        self.tell = tell
        self._counts, self._extra = dict(instances or {}), dict(environment or {})
        self._mode = mode
        self._rate_limits = rate_limits
        self._gateway_port = gateway_port
        self._instances: dict[str, Instance] = {}
        self._addresses: dict[str, list[str]] = {}

    # Life

    @classmethod
    def attached(cls, root: Path) -> Self:
        """The stack that runs in this folder, to look at it, to run commands in it and to stop it."""
        stack = cls(root, detached=True)
        living = stack.home.roster.living()
        stack._counts = {name: max(1, sum(_belongs(one, name) for one in living)) for name in stack.services}
        stack._lay_out()
        return stack

    def start(self) -> None:
        """Return when every process is ready. Doing it again starts only what is missing or has changed."""
        self.home.root.mkdir(parents=True, exist_ok=True)
        if not self.detached and self._guard is None:
            self._guard = guard.watch_over(self.home, os.getpid())
        with exclusive(self.home.lock):
            try:
                self._start()
            except BaseException:
                if not self.detached:
                    self._end()
                raise

    def stop(self) -> None:
        """End what this stack started, services before servers; logs and keys stay, a detached stack's data too."""
        with exclusive(self.home.lock):
            self._end()

    def _start(self) -> None:
        ensure_keys(self.home.keys, self.services)
        self.servers.settle_addresses()
        with ThreadPoolExecutor() as pool:
            others = [pool.submit(server.start) for server in self.servers.all if server is not self.servers.postgres]
            self.servers.postgres.start()
            database.prepare(self.servers.postgres.url)
            self._lay_out()
            missing = {one.role.service for one in self._instances.values() if not one.is_current()}
            if missing:
                self.migrate(sorted(missing))  # it waits for the broker itself, so that both start side by side
            for other in others:
                other.result()
        self.tell("servers answer, schemas are up to date")
        self._start_all()
        self.tell("services are ready: " + ", ".join(self._instances))

    def _end(self) -> None:
        self.home.stack_file.unlink(missing_ok=True)
        in_parallel([instance.stop for instance in self._instances.values()])
        end_everything(self.home)  # services that an earlier command has started too, before the servers under them
        self.servers.stop()
        self._instances.clear()
        if self._guard is not None:
            self._guard.kill()
            self._guard = None
            self.home.wipe()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    # Processes

    def process(self, service: str, number: int = 1) -> Instance:
        """The n-th API process of a service."""
        return self.named(Role(service, number, API, 0).name)

    def named(self, name: str) -> Instance:
        """A process by the name its log has, such as `orders-relay`."""
        if name not in self._instances:
            raise StackError(f"the stack has no process {name}; it has {', '.join(self._instances)}")
        return self._instances[name]

    def processes(self, service: str | None = None) -> list[Instance]:
        return [one for one in self._instances.values() if service in {None, one.role.service}]

    def restart(self, service: str, number: int | None = None, *, environment: Mapping[str, str] | None = None) -> None:
        """All processes of a service or one of them, with further or changed variables; returns when they are ready."""
        chosen = self.processes(service) if number is None else [self.process(service, number)]
        for instance in chosen:
            instance.restart(environment)

    def add(self, service: str, *command: str, environment: Mapping[str, str] | None = None) -> Instance:
        """A further process of a service, such as `relay`, `consume` or `jobs`; without a command one more API.

        The others were told their addresses at their start: restart those that shall use a further API.
        """
        words = command or API
        serves = words[0] == "api"
        number = 1 + sum(one.role.command[0] == words[0] for one in self.processes(service))
        port = self.home.ports.take(f"{service}-{number}") if serves else None
        instance = self._place(Role(service, number, words, port))
        instance.overrides.update(environment or {})
        instance.start()
        instance.wait_ready()
        return instance

    def scale(self, service: str, count: int) -> None:
        """Run that many API processes of a service; whoever knows its addresses is restarted with the new ones."""
        self._counts[service] = count
        for surplus in [one for one in self.processes(service) if one.role.command == API and one.role.number > count]:
            del self._instances[surplus.name]
        self._lay_out()
        self._start_all()

    def run(self, service: str, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """A one-off command of a service, `python -m chassis <service> ...`; returns what it printed."""
        words = [sys.executable, "-m", "chassis", service, *command]
        told = self.environment_for(service, command) | dict(environment or {})
        return _output_of(words, environment=told)

    def migrate(self, services: Sequence[str] | None = None) -> None:
        """Bring schemas, queues and bindings up to date, of all services or of these."""
        owners = [name for name in services or self.services if name != EDGE]
        environments = {name: self.environment_for(name, ["migrate"]) for name in owners}
        _output_of([sys.executable, "-m", "packhouse.schemas"], told=json.dumps(environments))

    # Addresses

    @property
    def gateway_url(self) -> str:
        return self.process(EDGE).url

    def database_url(self, role: str | None = None) -> str:
        """As the superuser, or as a role such as `orders_app`."""
        whole = database.address(self.servers.postgres.url)
        return whole if role is None else self._surroundings().role_url(role)

    def environment(self, service: str) -> dict[str, str]:
        """The variables that the processes of a service get."""
        return {**self._surroundings().of(service), **self._extra.get(service, {})}

    def environment_for(self, service: str, command: Sequence[str]) -> dict[str, str]:
        """The variables of a one-off command. Only `migrate` is told how to be the database's superuser."""
        own = self.environment(service)
        return own | {ADMIN_URL: self.database_url()} if command[0] == "migrate" else own

    def description(self) -> dict[str, Any]:
        """What outside tools need to find the stack: the content of `stack.json`."""
        return {
            "gateway": self.gateway_url,
            "services": {name: self._describe(name) for name in self.services},
            "postgres": self.database_url(),
            "redis": self.servers.redis.url,
            "rabbitmq": self.servers.rabbitmq.url,
            **{server.name: server.url for server in self.servers.cloud if server in self.servers.all},
        }

    def write_description(self, **more: Any) -> None:
        self.home.stack_file.touch(mode=0o600)
        self.home.stack_file.write_text(json.dumps(self.description() | more, indent=2) + "\n")

    def _describe(self, service: str) -> dict[str, Any]:
        first, *further = [one for one in self.processes(service) if one.role.port]
        described: dict[str, Any] = {"url": first.url, "pid": first.pid}
        if further:
            described["instances"] = [{"url": one.url, "pid": one.pid} for one in (first, *further)]
        return described

    # Parts

    def _start_all(self) -> None:
        """Also ends processes that an earlier start had and this one has no place for."""
        surplus = self.home.roster.living().keys() - self._instances.keys() - SERVER_PROCESSES
        in_parallel([self.home.roster.living()[name].stop for name in surplus])
        in_parallel([instance.start for instance in self._instances.values()])
        in_parallel([instance.wait_ready for instance in self._instances.values()])

    def _lay_out(self) -> None:
        """Every process gets its port before any starts, because each is told the addresses of all."""
        roles = [
            Role(service, number, API, self._port(service, number))
            for service in self.services
            for number in range(1, self._counts.get(service, 1) + 1)
        ]
        self._addresses = {service: [] for service in self.services}
        for role in roles:
            self._addresses[role.service].append(f"http://127.0.0.1:{role.port}")
        for role in roles:
            self._place(role)

    def _port(self, service: str, number: int) -> int:
        name = Role(service, number, API, 0).name
        known = self.home.ports.of(name)
        if known is not None and name in self.home.roster.living():
            return known
        return self.home.ports.take(name, prefer=self._gateway_port if service == EDGE else None)

    def _place(self, role: Role) -> Instance:
        """A place that exists keeps its process and what that was told in particular."""
        surroundings = self.environment(role.service)
        instance = self._instances.setdefault(role.name, Instance(self.home, role, surroundings))
        instance.surroundings = surroundings
        return instance

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            self.home, self.servers, self.database_url(), self._addresses, self._mode, rate_limits=self._rate_limits
        )


def _belongs(process: str, service: str) -> bool:
    """Whether a process of this name is an API of the service: `orders`, `orders-2`."""
    name, _, number = process.partition("-")
    return name == service and (not number or number.isdigit())


def _output_of(words: Sequence[str], *, environment: Mapping[str, str] | None = None, told: str | None = None) -> str:
    done = subprocess.run(  # noqa: S603  the words of our own command line
        words,
        input=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode:
        raise CommandError(f"{' '.join(words[1:])} failed:\n{done.stdout}{done.stderr}", done.returncode)
    return done.stdout
