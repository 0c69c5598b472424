"""What the fault tests have proved, one JSON line per id and test, and the table that is made of it (reliability 4).

A fault test asks for `reliability`, draws its chances from it and tells it what it saw. `python -m testkit.reliability
README.md` writes the table of the latest lines between the markers of that file.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from prometheus_client import REGISTRY

REPORT = Path(".local") / "reliability.json"
SEED_VARIABLE = "SEED"
BEGIN, END = "<!-- reliability: begin -->", "<!-- reliability: end -->"

FAULTS = {
    "F-D1": "killed between write and commit",
    "F-D2": "killed after commit, before the answer",
    "F-D3": "relay killed between confirm and move",
    "F-D4": "four relays at once, the leader's session cut",
    "F-D5": "leading relay killed, and paused",
    "F-D6": "publishes refused, a binding removed",
    "F-D7": "broker killed under load",
    "F-D8": "broker restarted while deliveries are unacknowledged",
    "F-D9": "consumer killed, a tenth of the events twice",
    "F-D11": "shuffled, duplicated, failing deliveries",
    "F-D12": "an event missing for a while",
    "F-D13": "poison events",
    "F-D14": "slow consumer, and one whose queue is full",
    "F-D15": "consumer paused",
    "F-D16": "every process restarted under load",
    "F-D17": "publisher and consumer of different versions",
    "F-D18": "outbox that has carried very many events",
    "F-D19": "notifications lost",
    "F-C13": "attached and deleted at once, a service killed",
    "F-I7": "uploads that are not what was signed or said",
}
"""What each id of reliability 2 does to the house; the ones that a test of ours stands for."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a number of effects that each should be there once and in order."""

    lost: int = 0
    doubled: int = 0
    inverted: int = 0

    @classmethod
    def of(cls, applied: Iterable[tuple[object, int]], expected: Mapping[Any, int]) -> Tally:
        """`applied` are aggregate and number in the order of their effects; `expected` says up to which number."""
        numbers: defaultdict[object, list[int]] = defaultdict(list)
        for aggregate, number in applied:
            numbers[aggregate].append(number)
        return cls(
            lost=sum(count - len(set(numbers[aggregate])) for aggregate, count in expected.items()),
            doubled=sum(len(seen) - len(set(seen)) for seen in numbers.values()),
            inverted=sum(one > other for seen in numbers.values() for one, other in pairwise(seen)),
        )


def counted(name: str, **labels: str) -> float:
    """Where a counter of this process stands."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Reliability:
    """The chances of one test, and its lines in the report. The same `SEED` gives the same chances."""

    def __init__(self, root: Path, session: str) -> None:
        self._root = root
        self._session = session
        self.seed = int(os.environ.get(SEED_VARIABLE) or random.randrange(1_000_000))  # noqa: S311  chances of a test
        self.chance = random.Random(self.seed)  # noqa: S311  as above
        print(f"seed {self.seed}")  # noqa: T201  pytest shows it when the test fails

    def record(
        self,
        fault: str,
        *,
        faults: int,
        at_least: int = 1,
        tally: Tally | None = None,
        recovery_seconds: float | None = None,
        **figures: Any,
    ) -> None:
        """Print and keep what was seen. Fails when too few faults happened, or anything is lost, doubled, inverted."""
        seen = tally or Tally()
        line = {
            "id": fault,
            "session": self._session,
            "runs": 1,
            "faults": faults,
            "lost": seen.lost,
            "doubled": seen.doubled,
            "inverted": seen.inverted,
            "recovery_seconds": None if recovery_seconds is None else round(recovery_seconds, 2),
            "seed": self.seed,
            "figures": figures,
        }
        print(json.dumps(line))  # noqa: T201  figures are there to be read
        report = self._root / REPORT
        report.parent.mkdir(exist_ok=True)
        with report.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        assert faults >= at_least, f"{faults} of {at_least} faults happened: the test proved nothing"
        assert seen == Tally(), f"{fault}, seed {self.seed}: {seen}"


def latest(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line per id: what the last session that looked at this id has seen, all its tests together."""
    last = {line["id"]: line["session"] for line in lines}
    sums: dict[str, dict[str, Any]] = {}
    for line in lines:
        fault = line["id"]
        if line["session"] != last[fault]:
            continue
        total = sums.setdefault(fault, {"id": fault, "recovery_seconds": None, "seeds": []})
        for name in ("runs", "faults", "lost", "doubled", "inverted"):
            total[name] = total.get(name, 0) + line[name]
        seconds = [one["recovery_seconds"] for one in (total, line) if one["recovery_seconds"] is not None]
        total["recovery_seconds"] = max(seconds, default=None)
        total["seeds"].append(line["seed"])
    places = list(FAULTS)
    return sorted(sums.values(), key=lambda total: places.index(total["id"]))


def table(totals: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        "| id | fault | runs | faults | lost | doubled | inverted | recovered within |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for total in totals:
        seconds = total["recovery_seconds"]
        counts = " | ".join(str(total[name]) for name in ("runs", "faults", "lost", "doubled", "inverted"))
        within = "" if seconds is None else f"{seconds} s"
        rows.append(f"| {total['id']} | {FAULTS[total['id']]} | {counts} | {within} |")
    return "\n".join(rows)


def write_table(readme: Path, report: Path) -> None:
    """Replace what stands between the markers; raises ValueError when the file has none."""
    lines = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme} has no markers {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n\n{table(latest(lines))}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]), REPORT)
