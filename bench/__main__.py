"""`make bench`: every figure of the house beside its floor, medians of three runs, as a table and as JSON."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import events, files, reads, trade
from bench.bare import BareTrade
from bench.figures import RUNS, Figures
from bench.house import House, megabytes, open_house

SERVERS = ("postgres", "redis", "rabbitmq")
SERVERS_MB, SERVICE_MB = 400, 130


@dataclass(frozen=True, slots=True)
class Goal:
    """What is compared: a ratio of rates that must reach `least`, or of latencies that must stay under `most`."""

    name: str
    ours: Figures
    floor: Figures
    least: float | None = None
    p50_most: float | None = None
    p99_most: float | None = None
    p99_ms_most: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours.rate / self.floor.rate

    def met(self) -> bool:
        return all(
            (
                self.least is None or self.ratio >= self.least,
                self.p50_most is None or self.ours.p50 <= self.p50_most * self.floor.p50,
                self.p99_most is None or self.ours.p99 <= self.p99_most * self.floor.p99,
                self.p99_ms_most is None or self.ours.p99 < self.p99_ms_most,
                self.ours.errors == 0,
            )
        )

    def wanted(self) -> str:
        """The goal in words."""
        words = [
            f"rate >= {self.least} x floor" if self.least else "",
            f"p50 <= {self.p50_most:.0f} x" if self.p50_most else "",
            f"p99 <= {self.p99_most:.0f} x" if self.p99_most else "",
            f"p99 < {self.p99_ms_most:.0f} ms" if self.p99_ms_most else "",
        ]
        return ", ".join(word for word in words if word)


async def medians(
    ours: Callable[[], Awaitable[Figures]], floor: Callable[[], Awaitable[Figures]]
) -> tuple[Figures, Figures]:
    """Both three times, taking turns, so that a busy moment of the machine hits both."""
    pairs = [(await ours(), await floor()) for _ in range(RUNS)]
    return Figures.median([mine for mine, _ in pairs]), Figures.median([bare for _, bare in pairs])


async def measured(house: House, bare: BareTrade, folder: Path, console: Console) -> list[Goal]:
    goals: list[Goal] = []

    def note(goal: Goal) -> None:
        console.print(f"  {goal.name}: {goal.ours.rate:.0f}/s against {goal.floor.rate:.0f}/s, ratio {goal.ratio:.2f}")
        goals.append(goal)

    read = reads.Reads(house, bare)
    note(Goal("browse of 20", *await medians(read.browse, read.bare_browse), least=0.45))
    note(Goal("product detail", *await medians(read.detail, read.bare_detail), least=0.45))
    with reads.Edge(house, folder) as edge:
        note(Goal("gateway / aiohttp proxy", *await medians(edge.gateway, edge.proxy), least=0.3))
        note(Goal("gateway / nginx", *await medians(edge.gateway, edge.nginx)))
    async with trade.Checkouts(house, bare) as both:
        note(Goal("checkout, 3 lines of 2", *await medians(both.house, both.bare), least=0.2, p99_ms_most=400))
        async with both.guarded() as (attacked, peaceful):
            note(Goal("checkout, 50 guessing", *await medians(attacked, peaceful), p99_most=2))
    async with files.Presigns(house) as uploads:
        note(Goal("presign", *await medians(uploads.house, uploads.signing)))
    note(Goal("relay", *await medians(lambda: events.relayed(house), lambda: events.raw_published(house)), least=0.5))
    lag = await medians(lambda: events.lag(house), lambda: events.raw_lag(house))
    note(Goal("commit to applied, 50/s", *lag, p50_most=4, p99_most=6))
    return goals


def shown(goals: list[Goal]) -> Table:
    table = Table("what", "per s", "p50 ms", "p99 ms", "floor per s", "p50", "p99", "ratio", "goal", "met")
    for goal in goals:
        ours, floor = goal.ours, goal.floor
        row = (f"{ours.rate:,.0f}", f"{ours.p50:.1f}", f"{ours.p99:.1f}", f"{floor.rate:,.0f}", f"{floor.p50:.1f}")
        met = "yes" if goal.met() else f"NO ({goal.ours.errors} errors)" if goal.ours.errors else "NO"
        table.add_row(goal.name, *row, f"{floor.p99:.1f}", f"{goal.ratio:.2f}", goal.wanted(), met)
    return table


def memory_shown(house: House) -> Table:
    table = Table("process", "MB", "goal", title=f"memory; the stack started in {house.started_in:.1f} s")
    used = megabytes(house.stack)
    servers = sum(size for name, size in used.items() if name in SERVERS)
    table.add_row("PostgreSQL, Redis, RabbitMQ", f"{servers:.0f}", f"<= {SERVERS_MB}")
    for name, size in used.items():
        if name not in SERVERS:
            table.add_row(name, f"{size:.0f}", f"<= {SERVICE_MB}")
    return table


async def main(size: str) -> list[Goal]:
    console = Console(width=170)
    with tempfile.TemporaryDirectory(prefix="packhouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240  PostgreSQL runs as another user and must get in
        async with open_house(folder / "stack", size) as house:
            memory = memory_shown(house)
            with BareTrade(house.stack.database_url(), folder, await reads.statements(house)) as bare:
                goals = await measured(house, bare, folder / "nginx", console)
    console.print(shown(goals), memory)
    return goals


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="l", choices=("s", "m", "l"))
    parser.add_argument("--report", type=Path, default=Path(".local/bench.json"))
    chosen = parser.parse_args()
    found = asyncio.run(main(chosen.size))
    chosen.report.parent.mkdir(parents=True, exist_ok=True)
    chosen.report.write_text(json.dumps([asdict(goal) | {"met": goal.met()} for goal in found], indent=2) + "\n")
    raise SystemExit(0 if all(goal.met() for goal in found) else 1)
