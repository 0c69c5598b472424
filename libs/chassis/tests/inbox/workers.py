"""Workers of the bakery in processes of their own, to be killed and paused, and somebody who gives them work."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import bakery
import psutil
import pytest
from bakery import GrainMilled

from chassis.floor import Floor
from chassis.settings import ServiceSettings
from kernel.scope import Actor

HERE = Path(__file__).parent
LONG = [pytest.mark.long, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Form:
    """How much of a fault: `each` events of every aggregate."""

    times: int
    aggregates: int
    each: int

    @property
    def events(self) -> int:
        return self.aggregates * self.each


SHORT = Form(times=10, aggregates=20, each=50)


@dataclass(frozen=True)
class Supervised:
    """One worker at a time; the next one starts when it dies. `deaths` gets a line for each."""

    supervisor: psutil.Process
    deaths: Path

    @property
    def killed(self) -> int:
        """How many were ended by SIGKILL."""
        return self.deaths.read_text().split().count(str(int(signal.SIGKILL))) if self.deaths.exists() else 0

    @property
    def worker(self) -> psutil.Process | None:
        """Who works now; None between a death and the next start."""
        return next(iter(self.supervisor.children()), None)

    async def killed_at_least(self, times: int) -> bool:
        return self.killed >= times


@contextmanager
def supervised(settings: ServiceSettings, name: str, deaths: Path, crashes: Sequence[str] = ()) -> Iterator[Supervised]:
    """The baker's consumer or the mill's relay in a process of its own, started again whenever it dies.

    `crashes` are the failpoints of the first process, of the second, and so on; later ones have none.
    """
    values = {f"PACKHOUSE_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value}
    values["PACKHOUSE_HMAC_SECRET"] = bakery.SECRET
    process = subprocess.Popen(  # noqa: S603  our own supervisor
        [sys.executable, str(HERE / "supervisor.py"), name, str(deaths), *crashes],
        env={**os.environ, **values},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Supervised(psutil.Process(process.pid), deaths)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def mill_says(mill: Floor, sacks: Sequence[UUID], numbers: range) -> None:
    """One transaction for each number, an event of every sack in it."""
    for number in numbers:
        async with mill.db.transaction(actor=Actor.job("test"), request_id="r") as tx:
            for sack in sacks:
                tx.emit(GrainMilled(sack_id=sack, number=number))
