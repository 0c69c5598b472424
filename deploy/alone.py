"""Shows that a service builds, migrates, starts and passes its tests with nothing installed but what it asks for.

`.venv/bin/python deploy/alone.py orders`. Its environment holds no other service; only the tools around it are ours.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from packhouse import database
from packhouse.cloud import OWNER
from packhouse.environment import ADMIN_URL, ALL_SERVICES, Surroundings
from packhouse.home import Home
from packhouse.instances import Instance, Role
from packhouse.keys import ensure_keys
from packhouse.servers import Servers, end_everything

ROOT = Path(__file__).parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
FLOOR = ("libs/kernel", "libs/contracts", "libs/chassis")
TESTING = ("libs/cli", "libs/emulators", "libs/testkit")
NOBODY = "http://127.0.0.1:9"
"""Where the other services would be: a port on which nothing listens."""


def main(service: str) -> None:
    with tempfile.TemporaryDirectory(prefix="packhouse-alone-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        python = build(folder, service, [*FLOOR, f"services/{service}"])
        run_alone(folder, service, python)
        install(folder, python, TESTING)
        tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", f"services/{service}"]
        run([python, *tests], told=f"tests of {service} with the test tools, and still no other service")


def build(folder: Path, service: str, members: Sequence[str]) -> Path:
    """A virtual environment with the service, its libraries and what these ask for, as the lock has it."""
    python = folder / "venv" / "bin" / "python"
    run([sys.executable, "-m", "venv", folder / "venv"], told=f"a virtual environment for {service}")
    install(folder, python, members)
    others = [name for name in ALL_SERVICES if name != service]
    absent = f"import importlib.util as u; assert not [n for n in {others} if u.find_spec(n)]"
    run([python, "-c", absent], told="no other service is there")
    return python


def install(folder: Path, python: Path, members: Sequence[str]) -> None:
    """The part of the lock these members need, by its hashes; then the members as wheels, looking no further."""
    lock, wheels = folder / "part.lock", folder / "wheels"
    own = [f"--no-emit-package=packhouse-{Path(member).name}" for member in (*FLOOR, *TESTING)]
    sources = [f"{member}/pyproject.toml" for member in members]
    options = ["--quiet", "--generate-hashes", "--no-emit-index-url", "--constraint", "requirements.lock"]
    run([UV, "pip", "compile", "--python", python, *options, *own, *sources, "--output-file", lock])
    run([UV, "pip", "install", "--python", python, "--quiet", "--require-hashes", "-r", lock])
    for member in members:
        run([UV, "build", "--quiet", "--wheel", "--no-sources", "--no-build-isolation", "--out-dir", wheels, member])
    built = sorted(wheels.glob("*.whl"))
    run([UV, "pip", "install", "--python", python, "--quiet", "--no-deps", *built], told=f"built: {', '.join(members)}")


def run_alone(folder: Path, service: str, python: Path) -> None:
    """Migrate, start, be ready, end; identity, catalog and the rest are away all the time."""
    home = Home(folder / "stack")
    home.root.mkdir()
    home.root.chmod(0o711)
    servers = Servers(home, {}, cloud=service == OWNER)
    try:
        servers.start()
        ensure_keys(home.keys, ALL_SERVICES)
        database.prepare(servers.postgres.url)
        addresses = {name: [NOBODY] for name in ALL_SERVICES}
        whole = database.address(servers.postgres.url)
        variables = Surroundings(home, servers, whole, addresses, "development", rate_limits=True).of(service)
        run([python, "-m", "chassis", service, "migrate"], {**variables, ADMIN_URL: whole}, told="migrated")
        _start(home, service, python, variables)
    finally:
        end_everything(home)
        home.wipe()


def _start(home: Home, service: str, python: Path, variables: Mapping[str, str]) -> None:
    role = Role(service, 1, ("api", "--with-worker"), home.ports.take(service))
    instance = Instance(home, role, variables, python=str(python))
    began = time.monotonic()
    instance.start()
    instance.wait_ready()
    sys.stdout.write(f"ready after {time.monotonic() - began:.1f} s\n")
    instance.stop()


def run(words: Sequence[object], variables: Mapping[str, str] | None = None, *, told: str | None = None) -> None:
    """One step; the first that fails ends the show."""
    command = [str(word) for word in words]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **(variables or {})})  # noqa: S603  our own words
    if told is not None:
        sys.stdout.write(f"{told}\n")


if __name__ == "__main__":
    main(sys.argv[1])
