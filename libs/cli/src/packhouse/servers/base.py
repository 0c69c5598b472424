"""What the private servers have in common: a place, a port, a start that waits, and ways to be made to fail."""

from __future__ import annotations

import signal
import time
from abc import ABC, abstractmethod
from typing import ClassVar
from urllib.parse import urlsplit

from packhouse.home import Home
from packhouse.processes import Process, Program, StackError, wait_until
from packhouse.servers.probe import accepts_connections

RESTART_PAUSE_SECONDS = 0.5


class Server(ABC):
    """A private server of one stack. `start` and `stop` may be repeated; `kill` stands for a crash of the machine."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 30

    def __init__(self, home: Home) -> None:
        self.home = home
        self._process: Process | None = home.roster.living().get(self.name)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect."""

    @abstractmethod
    def prepare(self) -> None:
        """Make what has to exist on disk, remove what a crash left; done before every attempt to start."""

    @abstractmethod
    def program(self) -> Program:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether a client would be served now."""

    @property
    def port(self) -> int:
        port = self.home.ports.of(self.name)
        if port is None:
            raise StackError(f"{self.name} was never started")
        return port

    @property
    def process(self) -> Process:
        if self._process is None:
            raise StackError(f"{self.name} is not running")
        return self._process

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    def start(self) -> None:
        """Return when clients are served; raise StackError with the end of the log when that does not come.

        One that another process of the same stack has started meanwhile is found on the roster and used.
        """
        self.settle_address()
        if not self.alive:
            self._launch()
        if not wait_until(self.answers, self.start_seconds):
            raise self._failure()

    def settle_address(self) -> None:
        """Find the running server on the roster, or take the port of the next one."""
        if not self.alive:
            self._process = self.home.roster.living().get(self.name)
        if not self.alive:
            self.home.ports.take(self.name)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(gently=self.stop_signal)
            self._forget()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self._forget()

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        self.process.pause()

    def resume(self) -> None:
        self.process.resume()

    def _launch(self) -> None:
        """A server that was killed may refuse its first starts, until what it left behind has noticed."""
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline:
            self.prepare()
            process = self._spawn(self.program())
            if wait_until(lambda: self.answers() or not process.alive, self.start_seconds) and process.alive:  # noqa: B023
                return
            time.sleep(RESTART_PAUSE_SECONDS)
        raise self._failure()

    def _spawn(self, program: Program) -> Process:
        process = Process.start(program)
        self.home.roster.add(process.record)
        if program.name == self.name:
            self._process = process
        return process

    def _forget(self) -> None:
        self._process = None
        self.home.roster.forget(self.name)

    def _failure(self) -> StackError:
        log = self.home.log(self.name)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:] if log.exists() else []
        return StackError(f"{self.name} did not start, see {log}:\n" + "\n".join(lines))


class Given:
    """A server that the environment named: used, never started and never ended."""

    def __init__(self, name: str, url: str, standard_port: int) -> None:
        self.name = name
        self.url = url
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or standard_port)

    alive = True

    def settle_address(self) -> None:
        """It has always been known."""

    def answers(self) -> bool:
        return accepts_connections(*self._address)

    def start(self) -> None:
        if not wait_until(self.answers, 10):
            raise StackError(f"{self.name}: nothing answers at {self._address[0]}:{self._address[1]}")

    def stop(self) -> None:
        """It is not ours to stop."""

    def kill(self) -> None:
        raise StackError(f"{self.name} is a given server; fault tests need private ones")

    restart = pause = resume = kill
