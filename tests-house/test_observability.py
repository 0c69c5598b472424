"""What is watched is what exists: scraped processes, queried metrics, and files that the containers read."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tree import ROOT

from chassis.telemetry import metrics
from packhouse.environment import installed_services
from packhouse.generate.dashboards import FOLDER as DASHBOARDS

FOLDER = ROOT / "deploy" / "observability"
PROFILE = "observability"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PROMETHEUS: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
OF_OTHERS = {"up": {"job"}, "process_start_time_seconds": {"job"}, "rabbitmq_queue_messages": {"queue"}}
"""Metrics of Prometheus, its Python client and RabbitMQ, with the labels we use."""
OF_TARGETS = {"app", "instance", "job", "le"}
WORDS = {
    "and", "by", "changes", "histogram_quantile", "increase", "max", "offset", "on", "or", "rate", "sum", "time",
    "topk",
}  # fmt: skip
_QUOTED = re.compile(r'"[^"]*"')
_BRACED = re.compile(r"([a-z_:]*)\{([^}]*)\}")
_GROUPED = re.compile(r"\b(?:by|on) \([^)]*\)")
_NAME = re.compile(r"(?<![\w:.])[a-z_][a-z_0-9]*")


@cache
def declared() -> dict[str, set[str]]:
    """Every series of our code with the labels it bears."""
    for package in ("chassis", *installed_services()):
        _import_all(package)
    series: dict[str, set[str]] = {}
    for name, (labels, metric) in metrics._known.items():
        kind = type(metric).__name__
        endings = {"Counter": ("_total",), "Histogram": ("_bucket", "_sum", "_count"), "Gauge": ("",)}[kind]
        series |= {f"{name.removesuffix('_total')}{ending}": set(labels) for ending in endings}
    return series


def _import_all(package: str) -> None:
    """Commands and migrations do something when they are imported; nobody else does."""
    module = importlib.import_module(package)
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        if not re.search(r"__main__|migrations|history", found.name):
            importlib.import_module(found.name)


def queries() -> Iterator[tuple[str, str]]:
    """Each query with the place it stands in."""
    for rule in ALERTS:
        yield f"alert {rule['alert']}", rule["expr"]
    for path in sorted((ROOT / DASHBOARDS).glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def unknown(query: str) -> set[str]:
    """Metrics that nobody has, and labels that theirs do not bear."""
    known = {**declared(), **OF_OTHERS}
    bare = _QUOTED.sub('""', query)
    wrong = {
        f"{name}{{{label}}}"
        for name, selector in _BRACED.findall(bare)
        for label in re.findall(r"(\w+)\s*[=!]", selector)
        if label not in known.get(name, set()) | OF_TARGETS
    }
    rest = re.sub(r"\[[^\]]*\]|offset \w+", "", _GROUPED.sub("", _BRACED.sub(r"\1", bare)))
    return wrong | {name for name in _NAME.findall(rest) if name not in known and name not in WORDS}


@pytest.mark.parametrize(("place", "query"), list(queries()))
def test_every_query_asks_for_metrics_that_exist(place: str, query: str) -> None:
    assert _NAME.findall(query)
    assert not unknown(query), place


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("sum(rate(made_up_total[5m])) > 1", "made_up_total"),
        ('relay_leads{colour="red"} == 1', "relay_leads{colour}"),
        ("max by (app) (inbox_gaps) > 0 and planted_seconds", "planted_seconds"),
        ("http_request_duration_seconds > 1", "http_request_duration_seconds"),
    ],
)
def test_a_planted_mistake_in_a_query_is_seen(query: str, wrong: str) -> None:
    assert unknown(query) == {wrong}


def test_every_alert_says_how_bad_it_is_and_where_to_look() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"page", "ticket"}, rule["alert"]
        assert {"summary", "action"} <= rule["annotations"].keys(), rule["alert"]


def test_every_process_of_the_house_is_scraped() -> None:
    scraped = {
        target for job in PROMETHEUS["scrape_configs"] for one in job["static_configs"] for target in one["targets"]
    }
    running = {
        f"{name}:8000" for name, one in COMPOSE["services"].items() if one.get("command") in (["api"], ["worker"])
    }
    assert scraped - {"rabbitmq:15692"} == running
    assert "rabbitmq" in COMPOSE["services"]


def test_the_profile_watches_and_the_house_runs_without_it() -> None:
    watching = {name for name, one in COMPOSE["services"].items() if one.get("profiles") == [PROFILE]}
    assert watching == {"collector", "jaeger", "prometheus", "grafana"}
    for name, one in COMPOSE["services"].items():
        assert name in watching or not watching & set(one.get("depends_on", ())), name


def test_every_mounted_file_is_there_and_every_address_a_container() -> None:
    mounted = [mount.split(":")[0] for one in COMPOSE["services"].values() for mount in one.get("volumes", ())]
    files = [Path(one) for one in mounted if one.startswith("./")]
    assert files
    assert not [path for path in files if not (ROOT / path).exists()]
    texts = [path.read_text() for path in FOLDER.rglob("*.yml")]
    hosts = {host for one in texts for host in re.findall(r"(?:://|endpoint: |\[)([a-z]+):\d+", one)}
    assert {"jaeger", "prometheus", "rabbitmq"} <= hosts <= COMPOSE["services"].keys()
