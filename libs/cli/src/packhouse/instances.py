"""One process of one service: started, asked whether it is ready, made to fail, started again."""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packhouse.home import Home
from packhouse.processes import Process, Program, StackError, wait_until

READY_SECONDS = 60
GRACE_SECONDS = 25


@dataclass(frozen=True, slots=True)
class Role:
    """What a process does for its service: `command` are the words after `python -m chassis <service>`."""

    service: str
    number: int
    command: Sequence[str]
    port: int | None

    @property
    def name(self) -> str:
        """`orders`, `orders-2`, `orders-relay`, `orders-relay-2`: also the name of its log."""
        words = [self.service]
        if self.port is None:
            words.append(self.command[0])
        if self.number > 1:
            words.append(str(self.number))
        return "-".join(words)


class Instance:
    """A place in the stack that a process fills; it keeps its port and environment while processes come and go."""

    def __init__(
        self, home: Home, role: Role, surroundings: Mapping[str, str], *, python: str = sys.executable
    ) -> None:
        self.home = home
        self.role = role
        self.surroundings = surroundings
        self.python = python
        self.overrides: dict[str, str] = {}
        self._process: Process | None = home.roster.living().get(role.name)

    @property
    def name(self) -> str:
        return self.role.name

    @property
    def environment(self) -> dict[str, str]:
        """What the stack tells every process of the service, and over it what this one was told."""
        return {**self.surroundings, **self.overrides}

    @property
    def url(self) -> str:
        if self.role.port is None:
            raise StackError(f"{self.name} serves no HTTP")
        return f"http://127.0.0.1:{self.role.port}"

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    @property
    def process(self) -> Process:
        if self._process is None:
            raise StackError(f"{self.name} was not started")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.home.log(self.name).read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Spawn it unless it runs already with the same environment; `wait_ready` tells when it serves."""
        if self.is_current():
            return
        self.stop()
        program = Program(self.name, self._command(), self.home.log(self.name), self.environment)
        self._process = Process.start(program, fingerprint=self._fingerprint())
        self.home.roster.add(self._process.record)

    def is_current(self) -> bool:
        """Whether a process runs here that was told what one started now would be told."""
        return self.alive and self.process.record.fingerprint == self._fingerprint()

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Raise StackError with the end of its log when it ended or did not become ready in time."""
        if self.role.port is None:
            return
        if not wait_until(lambda: self.is_ready() or not self.alive, timeout) or not self.alive:
            raise StackError(f"{self.name} is not ready, see {self.home.log(self.name)}:\n{self.process.tail()}")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2) as answer:  # noqa: S310  our own address
                return bool(answer.status == 200)  # noqa: PLR2004  the status is its own name
        except OSError:
            return False

    def stop(self) -> None:
        """SIGTERM and as long as a graceful end may take (spec 1.8)."""
        if self._process is not None:
            self._process.stop(GRACE_SECONDS)
            self._forget()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self._forget()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def restart(self, environment: Mapping[str, str] | None = None) -> None:
        """With further or changed variables, if any; returns when it is ready."""
        self.stop()
        self.overrides.update(environment or {})
        self.start()
        self.wait_ready()

    def _command(self) -> list[str]:
        address = [] if self.role.port is None else ["--host", "127.0.0.1", "--port", str(self.role.port)]
        return [self.python, "-m", "chassis", self.role.service, *self.role.command, *address]

    def _fingerprint(self) -> str:
        what = json.dumps([self._command(), self.environment], sort_keys=True)
        return hashlib.sha256(what.encode()).hexdigest()[:16]

    def _forget(self) -> None:
        self._process = None
        self.home.roster.forget(self.name)
