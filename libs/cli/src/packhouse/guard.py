"""Watches over what a test has started, and ends it when the test's process ends, however that ends.

`python -m packhouse.guard <pid> <folder> [--remove]`; with `--remove` the folder goes too, logs and all.
"""

import contextlib
import os
import select
import shutil
import sys
from pathlib import Path

from packhouse.home import Home
from packhouse.processes import Process, Program
from packhouse.servers import end_everything

REMOVE = "--remove"


def watch_over(home: Home, pid: int, *, remove: bool = False) -> Process:
    """Start a guard. It is not on the roster: whoever ends the rest in time kills it, or it finds nothing to do."""
    command = [sys.executable, "-m", "packhouse.guard", str(pid), str(home.root), *([REMOVE] if remove else [])]
    return Process.start(Program("guard", command, home.log("guard")))


def _wait_for_end_of(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(pid)], [], [])


if __name__ == "__main__":
    _wait_for_end_of(int(sys.argv[1]))
    its_home = Home(Path(sys.argv[2]))
    end_everything(its_home)
    its_home.wipe()
    if REMOVE in sys.argv:
        shutil.rmtree(its_home.root, ignore_errors=True)
