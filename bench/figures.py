"""Rates and latencies: how they are taken, and how medians of several runs are printed beside their floors."""

import asyncio
import re
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

RUNS = 3
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Figures:
    """One run, or the medians of several: operations per second and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float
    errors: int = 0

    @classmethod
    def of(cls, latencies: Sequence[float], seconds: float, errors: int = 0) -> "Figures":
        """From latencies in seconds."""
        ordered = sorted(latencies)
        return cls(len(ordered) / seconds, at(ordered, 0.50) * 1_000, at(ordered, 0.99) * 1_000, errors)

    @classmethod
    def median(cls, runs: Sequence["Figures"]) -> "Figures":
        return cls(
            statistics.median(run.rate for run in runs),
            statistics.median(run.p50 for run in runs),
            statistics.median(run.p99 for run in runs),
            sum(run.errors for run in runs),
        )


def at(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of an ordered sequence lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def driven(work: Sequence[Callable[[], Awaitable[bool]]], *, at_once: int) -> Figures:
    """Do every piece of work once, `at_once` at a time; a piece that answers False counts as an error."""
    queue = list(reversed(work))
    latencies: list[float] = []
    errors = 0

    async def worker() -> None:
        nonlocal errors
        while queue:
            piece = queue.pop()
            began = time.perf_counter()
            errors += not await piece()
            latencies.append(time.perf_counter() - began)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return Figures.of(latencies, time.perf_counter() - started, errors)


_UNITS = {"us": 0.001, "ms": 1.0, "s": 1_000.0}


async def wrk(url: str, *, seconds: int, headers: dict[str, str], script: Path | None = None) -> Figures:
    """One run of wrk at 16 connections from one thread."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script:
        command += ["-s", str(script)]
    process = await asyncio.create_subprocess_exec(*command, url, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return parsed(output.decode())


def parsed(output: str) -> Figures:
    """The figures in wrk's own report."""

    def latency(share: str) -> float:
        found = re.search(rf"{share}%\s+([\d.]+)(us|ms|s)", output)
        if not found:
            raise ValueError(output)
        return float(found[1]) * _UNITS[found[2]]

    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if not rate:
        raise ValueError(output)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Figures(float(rate[1]), latency("50"), latency("99"), int(refused[1]) if refused else 0)
