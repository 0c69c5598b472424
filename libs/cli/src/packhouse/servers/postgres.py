"""A private PostgreSQL cluster: trust on loopback, no fsync, because its data may be lost with the machine."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from packhouse.home import postgres_account
from packhouse.processes import Program, StackError
from packhouse.servers.base import Server
from packhouse.servers.probe import accepts_connections

SUPERUSER = "postgres"
PID_FILE_LINES = 8
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "jit": "off",
    "huge_pages": "off",
}


class Postgres(Server):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": sessions are ended, the data is written

    @property
    def url(self) -> str:
        """As superuser, to the maintenance database."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    @property
    def directory(self) -> Path:
        return self.home.postgres_data()

    def prepare(self) -> None:
        self._forget_dead_postmaster()
        if (self.directory / "PG_VERSION").exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        account = postgres_account()
        if account:
            shutil.chown(self.directory, account, account)
        self.directory.chmod(0o700)
        self._initdb(account)

    def program(self) -> Program:
        settings = {"port": str(self.port), **SETTINGS}
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Program(
            self.name,
            [str(binary("postgres")), "-D", str(self.directory), *words],
            self.home.log(self.name),
            directory=self.directory,
            user=postgres_account(),
        )

    def answers(self) -> bool:
        """The postmaster writes its state into the last line of its pid file."""
        try:
            lines = (self.directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (
            len(lines) == PID_FILE_LINES
            and lines[-1].strip() == "ready"
            and accepts_connections("127.0.0.1", self.port)
        )

    def _forget_dead_postmaster(self) -> None:
        """After SIGKILL the pid file stays and makes the next start fail; remove it when its postmaster is gone."""
        pid_file = self.directory / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            if not _is_postmaster(pid):
                pid_file.unlink()

    def _initdb(self, account: str | None) -> None:
        command: list[str | Path] = [
            binary("initdb"),
            "-D",
            self.directory,
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--encoding=UTF8",
        ]
        done = subprocess.run(  # noqa: S603  our own words
            [*command, "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.directory,
            user=account,
            group=account,
            extra_groups=None if account is None else [],
        )
        if done.returncode:
            raise StackError(f"initdb failed:\n{done.stderr}")


def _is_postmaster(pid: int) -> bool:
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def binary(name: str) -> Path:
    """Debian keeps the server's programs off the PATH, one folder a version; the newest is taken."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1]
    found = shutil.which(name)
    if found is None:
        raise StackError(f"{name} is not installed; on Debian: apt-get install postgresql postgresql-15-postgis-3")
    return Path(os.path.realpath(found))
