"""Prometheus metrics by name, so that two modules may ask for the same one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)

Metric = TypeVar("Metric", Counter, Gauge, Histogram)

_known: dict[str, tuple[tuple[str, ...], Counter | Gauge | Histogram]] = {}


def counter(name: str, doc: str, labels: Sequence[str] = ()) -> Counter:
    return _metric(Counter, name, labels, lambda: Counter(name, doc, labels))


def gauge(name: str, doc: str, labels: Sequence[str] = ()) -> Gauge:
    return _metric(Gauge, name, labels, lambda: Gauge(name, doc, labels))


def histogram(name: str, doc: str, labels: Sequence[str] = ()) -> Histogram:
    """Durations in seconds, in buckets from 5 ms to 15 s."""
    return _metric(Histogram, name, labels, lambda: Histogram(name, doc, labels, buckets=SECONDS))


def rendered() -> bytes:
    """All metrics of the process in the Prometheus text format."""
    return generate_latest(REGISTRY)


def _metric(kind: type[Metric], name: str, labels: Sequence[str], make: Callable[[], Metric]) -> Metric:
    known = _known.get(name)
    if known is None:
        made = make()
        _known[name] = (tuple(labels), made)
        return made
    if not isinstance(known[1], kind) or known[0] != tuple(labels):
        raise ValueError(f"metric {name} is already declared differently")
    return known[1]
