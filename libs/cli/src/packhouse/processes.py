"""Processes that the stack starts, each known by pid and birth, so that a number used again is never signalled."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL_SECONDS = 0.02
LOG_TAIL_LINES = 15


class StackError(Exception):
    """Something the stack needs did not come up; the message tells a person what to look at."""


class CommandError(StackError):
    """A one-off command ended with another `status` than 0; less than 0 is the signal that killed it, as of `Popen`."""

    def __init__(self, told: str, status: int) -> None:
        super().__init__(told)
        self.status = status


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: `user` is an operating-system account to become, `log` gets both output streams appended."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What a later command needs to find a process again. `birth` is its start in clock ticks since boot."""

    name: str
    pid: int
    birth: int
    fingerprint: str = ""


def _status(pid: int) -> tuple[str, int] | None:
    """State letter and birth of a process, None when there is none of that number."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


class Process:
    """One started process. Signals go to it alone."""

    def __init__(self, record: Record, log: Path | None = None, child: subprocess.Popen[bytes] | None = None) -> None:
        self.record = record
        self.log = log
        self._child = child

    @classmethod
    def start(cls, program: Program, *, fingerprint: str = "") -> Process:
        """Spawn into a session of its own, so that a Ctrl-C at the terminal does not reach it."""
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as output:
            child = subprocess.Popen(  # noqa: S603  the command is built by this package
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=program.directory,
                env={**os.environ, **program.environment},
                start_new_session=True,
                user=program.user,
                group=program.user,
                extra_groups=None if program.user is None else [],
            )
        status = _status(child.pid)
        record = Record(program.name, child.pid, status[1] if status else 0, fingerprint)
        return cls(record, program.log, child)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def pid(self) -> int:
        return self.record.pid

    @property
    def alive(self) -> bool:
        """False for a zombie and for another process that got the same number."""
        if self._child is not None and self._child.poll() is not None:
            return False
        status = _status(self.pid)
        return status is not None and status[0] not in "ZX" and status[1] == self.record.birth

    def send(self, number: signal.Signals) -> None:
        """Nothing happens when the process has already ended."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def pause(self) -> None:
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and return when it is gone."""
        self.send(signal.SIGKILL)
        self.wait(10)

    def stop(self, timeout: float = 25, *, gently: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, insist after `timeout` seconds."""
        self.resume()
        self.send(gently)
        if not self.wait(timeout):
            self.kill()

    def wait(self, timeout: float) -> bool:
        """True when it has ended within `timeout` seconds."""
        return wait_until(lambda: not self.alive, timeout)

    def tail(self) -> str:
        """The last lines of its log, for a message to a person."""
        if self.log is None or not self.log.exists():
            return ""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])


def wait_until(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(POLL_SECONDS)
    return condition()
