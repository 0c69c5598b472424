"""Named places where a test build can be made to die, fail or wait (reliability 2.c0).

`PACKHOUSE_FAILPOINTS="relay.after_confirm=kill@3;orders.commit=error@0.05"`: `name=action[:argument][@trigger]`, where
the trigger is the n-th visit (a whole number, once) or a probability (a fraction); without one it is every visit.
Actions: `kill` (SIGKILL to itself), `error`, `sleep:<seconds>`, `hang`. `PACKHOUSE_FAILPOINTS="file:<path>"` reads such
a text from a file whenever it has changed, so that a test arms a running process. Settings refuse failpoints outside
the test environment; without any, a visit costs one dictionary look-up.
"""

import asyncio
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

FILE_PREFIX = "file:"


class FailpointError(Exception):
    """The fault a failpoint of action `error` stands for."""


@dataclass(slots=True)
class _Failpoint:
    action: str
    argument: str
    trigger: float
    visits: int = 0

    def fires(self) -> bool:
        self.visits += 1
        if self.trigger >= 1:
            return self.visits == int(self.trigger)
        return self.trigger == 0 or random.random() < self.trigger  # noqa: S311  a fault, not a secret


class _Source:
    """A file that tells the failpoints of this process; without one nothing is ever read."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._read_at = 0

    def reread(self) -> None:
        """Arm what the file says when it was written since it was last read; a file that is not there disarms."""
        written = self.path.stat().st_mtime_ns if self.path and self.path.exists() else 0
        if self.path and written != self._read_at:
            self._read_at = written
            _replace(self.path.read_text() if written else "")


_armed: dict[str, _Failpoint] = {}
_source = _Source()


def arm(specification: str) -> None:
    """Replace all failpoints by those of the specification; an empty one disarms."""
    global _source  # noqa: PLW0603  the failpoints of a process are one
    from_file = specification.startswith(FILE_PREFIX)
    _source = _Source(Path(specification.removeprefix(FILE_PREFIX)) if from_file else None)
    _replace("" if from_file else specification)


def _replace(specification: str) -> None:
    _armed.clear()
    for entry in filter(None, (part.strip() for part in specification.split(";"))):
        name, _, rest = entry.partition("=")
        what, _, trigger = rest.partition("@")
        action, _, argument = what.partition(":")
        if action not in {"kill", "error", "sleep", "hang"}:
            raise ValueError(f"failpoint {name}: unknown action {action!r}")
        _armed[name] = _Failpoint(action, argument, float(trigger or 0))


async def failpoint(name: str) -> None:
    """Do what was armed for this place, if anything."""
    if _source.path is not None:
        _source.reread()
    point = _armed.get(name)
    if point is None or not point.fires():
        return
    if point.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if point.action == "error":
        raise FailpointError(name)
    await asyncio.sleep(float(point.argument or 1) if point.action == "sleep" else 3600)
