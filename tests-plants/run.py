"""Puts one defect after another in place and runs the test that must notice; fails when any test does not.

Usage: run.py [name of a plant] ...; all of them without names. Private servers are started once for all.
"""

import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

from planted import PLANTS

from packhouse.home import Home
from testkit.servers import HOME_VARIABLE, TestServers, close_home, open_home

HERE = Path(__file__).parent
ROOT = HERE.parent
AT_ONCE = 2
SECONDS_MAX = 180
MARK = re.compile(r"@pytest\.mark\.plant\(\"([^\"]+)\"\)")


def victims() -> dict[str, list[Path]]:
    """The test files that name each plant."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for folder in ("libs", "services", "tests-e2e"):
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            for name in set(MARK.findall(path.read_text(encoding="utf-8"))):
                found[name].append(path)
    return found


def is_caught(name: str, files: list[Path], environment: dict[str, str]) -> bool:
    """Run the marked tests with the defect in place, in a process of their own; prints what became of it."""
    began = time.monotonic()
    words = ["-p", "planting", "--plant", name, "-m", "not long", "-x", "-q", *map(str, files)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    caught = done.returncode == 0
    said = re.search(PLANTS[name].evidence, done.stdout) if caught else None
    told = f"caught ({said.group(0)})" if said else "NOT CAUGHT"
    print(f"{name:<48} {told:<40} {time.monotonic() - began:5.1f} s", flush=True)
    if not caught:
        print(done.stdout[-3000:], done.stderr[-2000:], flush=True)
    return caught


def lane(number: int, home: Home) -> dict[str, str]:
    """The environment of plants that run one after another: shared servers, a virtual host and a Redis number."""
    servers = TestServers(home, worker=number, workers=AT_ONCE)
    addresses = {
        "PACKHOUSE_POSTGRES_URL": servers.postgres_url,
        "PACKHOUSE_REDIS_URL": servers.redis_url,
        "PACKHOUSE_RABBITMQ_URL": servers.rabbitmq_url,
    }
    inherited = {name: value for name, value in os.environ.items() if name != HOME_VARIABLE}
    return {**inherited, **addresses, "PYTHONPATH": str(HERE)}


def all_caught(names: Iterable[str], found: dict[str, list[Path]], home: Home) -> list[bool]:
    """One answer per plant; each lane takes the next plant that nobody has taken."""
    TestServers(home, workers=AT_ONCE).start()
    lanes: Queue[dict[str, str]] = Queue()
    for number in range(AT_ONCE):
        lanes.put(lane(number, home))

    def run(name: str) -> bool:
        environment = lanes.get()
        try:
            return is_caught(name, found[name], environment)
        finally:
            lanes.put(environment)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, names))


def main(*names: str) -> int:
    found = victims()
    strangers = sorted(PLANTS.keys() ^ found.keys())
    if strangers:
        print(f"plants without a test, or tests without a plant: {', '.join(strangers)}")
        return 1
    home = open_home()
    try:
        caught = all_caught(names or PLANTS, found, home)
    finally:
        close_home(home)
    print(f"{sum(caught)} of {len(caught)} plants caught")
    return 0 if all(caught) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
