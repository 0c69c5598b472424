"""The roster: every process a stack has started, in a file, so that a later command ends exactly those."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from packhouse.processes import Process, Record


class Roster:
    """Written through on every change; safe among threads of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, record: Record) -> None:
        with self._lock:
            records = self._read()
            records[record.name] = record
            self._write(records)

    def forget(self, name: str) -> None:
        with self._lock:
            records = self._read()
            if records.pop(name, None) is not None:
                self._write(records)

    def living(self) -> dict[str, Process]:
        """What is still running of what was started, in the order it was started."""
        with self._lock:
            found = {name: Process(record) for name, record in self._read().items()}
        return {name: process for name, process in found.items() if process.alive}

    def _read(self) -> dict[str, Record]:
        if not self._path.exists():
            return {}
        return {name: Record(**fields) for name, fields in json.loads(self._path.read_text()).items()}

    def _write(self, records: dict[str, Record]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({name: asdict(record) for name, record in records.items()}, indent=1))
        fresh.replace(self._path)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """One process at a time works on the stack of a folder; the others wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
