"""Keeps one worker of the bakery in a child process, and starts the next one when it dies. Everything is imported once.

Usage: supervisor.py baker|mill <file that gets a line per death> [failpoints of the first child] [of the second] ...;
later children have none. The baker consumes, the mill's relay publishes.
"""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bakery

from chassis import failpoints
from chassis.floor import Floor, open_floor
from chassis.inbox import Consumer
from chassis.outbox import Relay
from chassis.settings import read_settings
from contracts import event_map

SERVICES = {"baker": bakery.BAKER, "mill": bakery.MILL}


def worker(floor: Floor) -> Consumer | Relay:
    return Consumer(floor) if floor.service is bakery.BAKER else Relay(floor)


async def work(name: str, crash: str) -> None:
    service = SERVICES[name]
    async with open_floor(service, read_settings(service.settings)) as floor:
        failpoints.arm(crash)
        await worker(floor).run(asyncio.Event())


def main(name: str, deaths: Path, *crashes: str) -> None:
    event_map.event_map = lambda: bakery.EVENT_MAP
    waiting = list(crashes)
    while True:
        crash = waiting.pop(0) if waiting else ""
        child = os.fork()
        if child == 0:
            asyncio.run(work(name, crash))
        _, status = os.waitpid(child, 0)
        with deaths.open("a") as file:
            file.write(f"{status}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
