"""Files that hold keys: read only when nobody else can, followed while a process runs, replaced as a whole."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Generic, TypeVar

import structlog

_NOT_FOR_OTHERS = 0o037
"""A key file's group may read it, because a secret mounted into a container belongs to root; nobody else may
anything.
"""

Value = TypeVar("Value")

_log = structlog.get_logger("chassis.auth")


class Watched(Generic[Value]):
    """What a file says, read again as soon as it changes.

    A change that cannot be read is logged and leaves the value as it was: a slip of the hand must not sign everybody
    out.
    """

    def __init__(self, path: Path, read: Callable[[Path], Value]) -> None:
        self._path = path
        self._read = read
        self._seen = self._stamp()
        self._value = read(path)

    @property
    def value(self) -> Value:
        try:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._value = self._read(self._path)
        except (OSError, ValueError) as error:
            _log.error("keys.unreadable", file=self._path.name, error=type(error).__name__)
        return self._value

    def _stamp(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size


def read_private(path: Path) -> Any:
    """The JSON of a file with private keys. Raises ValueError when others may read or change it."""
    if path.stat().st_mode & _NOT_FOR_OTHERS:
        raise ValueError(f"{path}: a private key file must have mode 600")
    return json.loads(path.read_text())


def replace_file(path: Path, document: Any, *, mode: int) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one, never half of it."""
    with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        os.fchmod(file.fileno(), mode)
        json.dump(document, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
