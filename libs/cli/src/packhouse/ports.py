"""Ports for private servers: below the range the kernel hands out, so that a restart finds its port still free."""

import json
import random
import socket
import threading
from pathlib import Path

from packhouse.processes import wait_until

RANGE = range(20_000, 30_000)
TRIES_MAX = 200
RELEASE_SECONDS = 3


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Ports:
    """Remembers in a file which name has which port, so that addresses survive a restart of the stack.

    Several processes of one stack may use the file; who takes ports holds the stack's lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def of(self, name: str) -> int | None:
        return self._known().get(name)

    def take(self, name: str, *, prefer: int | None = None) -> int:
        """The remembered port, once what died has let go of it; else the preferred one, else any free one."""
        known = self._known()
        if name in known and wait_until(lambda: is_free(known[name]), RELEASE_SECONDS):
            return known[name]
        if prefer is not None and is_free(prefer):
            return self._remember(name, prefer)
        taken = set(known.values())
        for _ in range(TRIES_MAX):
            port = random.choice(RANGE)  # noqa: S311  a port, not a secret
            if port not in taken and is_free(port):
                return self._remember(name, port)
        raise OSError(f"no free port for {name}")

    def _known(self) -> dict[str, int]:
        known: dict[str, int] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return known

    def _remember(self, name: str, port: int) -> int:
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(self._known() | {name: port}))
            fresh.replace(self._path)
        return port
