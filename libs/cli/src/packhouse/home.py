"""The folder a stack lives in, `.local` of the work tree for `packhouse up`, a temporary one for a test."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path

from packhouse.ports import Ports
from packhouse.roster import Roster

POSTGRES_ACCOUNT = "postgres"


def postgres_account() -> str | None:
    """The account to become for PostgreSQL, which refuses to run as root; None when we are somebody else already."""
    return POSTGRES_ACCOUNT if os.geteuid() == 0 else None


class Home:
    """Names every place under the folder. Nothing outside it is written, but what `postgres_data` tells."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.ports = Ports(self.root / "run" / "ports.json")
        self.roster = Roster(self.root / "run" / "processes.json")

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def lock(self) -> Path:
        return self.root / "run" / "lock"

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def data(self, name: str) -> Path:
        return self.root / "data" / name

    def postgres_data(self) -> Path:
        """Under the root like the rest, unless PostgreSQL's account may not go there (a clone in /root, say): then
        a folder of this stack's own in that account's home.
        """
        account = postgres_account()
        if account is None or _open_to_others(self.root):
            return self.data("postgres")
        own = hashlib.sha256(str(self.root).encode()).hexdigest()[:12]
        return Path(pwd.getpwnam(account).pw_dir) / f"packhouse-{own}"

    def wipe(self) -> None:
        """Remove every byte the servers stored; logs and keys stay."""
        shutil.rmtree(self.postgres_data(), ignore_errors=True)
        shutil.rmtree(self.root / "data", ignore_errors=True)


def _open_to_others(path: Path) -> bool:
    """Whether any account may walk down to this folder."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents) if place.exists())
