"""Lists every run of six or more lines that stands in two services: `make repeats`. Each wants a word of why."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from tree import python_files, text

RUN_LINES_MIN = 6
Place = tuple[Path, int]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """What a reader reads: without blank lines and indentation."""
    return [(number, line.strip()) for number, line in enumerate(text(path).splitlines(), 1) if line.strip()]


def windows(path: Path) -> Iterator[tuple[tuple[str, ...], int]]:
    lines = numbered_lines(path)
    for start in range(len(lines) - RUN_LINES_MIN + 1):
        yield tuple(line for _, line in lines[start : start + RUN_LINES_MIN]), start


def repeats() -> list[tuple[Place, Place, int]]:
    """Pairs of places in two services, with the length of the run that both begin; longer runs swallow their parts."""
    known: dict[tuple[str, ...], list[Place]] = defaultdict(list)
    for path in python_files(product=True):
        if path.parts[0] == "services":
            for window, start in windows(path):
                known[window].append((path, start))
    pairs = {
        (one, other)
        for places in known.values()
        for one, other in combinations(sorted(places), 2)
        if one[0].parts[1] != other[0].parts[1]
    }
    firsts = [pair for pair in pairs if _moved(pair, -1) not in pairs]
    return sorted(_with_length(pair, pairs) for pair in firsts)


def _moved(pair: tuple[Place, Place], by: int) -> tuple[Place, Place]:
    (one, first), (other, second) = pair
    return (one, first + by), (other, second + by)


def _with_length(pair: tuple[Place, Place], pairs: set[tuple[Place, Place]]) -> tuple[Place, Place, int]:
    length = RUN_LINES_MIN
    while _moved(pair, length - RUN_LINES_MIN + 1) in pairs:
        length += 1
    return *(_numbered(place) for place in pair), length


def _numbered(place: Place) -> Place:
    """From the place among the lines that are read to the number an editor shows."""
    path, start = place
    return path, numbered_lines(path)[start][0]


def main() -> None:
    for (one, first), (other, second), length in repeats():
        begins = text(one).splitlines()[first - 1].strip()
        sys.stdout.write(f"{length:3} lines  {one}:{first}  {other}:{second}  {begins}\n")


if __name__ == "__main__":
    main()
