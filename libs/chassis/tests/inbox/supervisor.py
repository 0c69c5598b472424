"""Keeps one baker consuming in a child process, and starts the next one when it dies. Everything is imported once.

Usage: supervisor.py <file that gets a line per death> [failpoints of the first child] [of the second] ...; later
children have none.
"""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bakery

from chassis import failpoints
from chassis.floor import open_floor
from chassis.inbox import Consumer
from chassis.settings import read_settings


async def consume(crash: str) -> None:
    async with open_floor(bakery.BAKER, read_settings(bakery.BakerSettings)) as floor:
        failpoints.arm(crash)
        await Consumer(floor).run(asyncio.Event())


def main(deaths: Path, *crashes: str) -> None:
    waiting = list(crashes)
    while True:
        crash = waiting.pop(0) if waiting else ""
        child = os.fork()
        if child == 0:
            asyncio.run(consume(crash))
        _, status = os.waitpid(child, 0)
        with deaths.open("a") as file:
            file.write(f"{status}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
