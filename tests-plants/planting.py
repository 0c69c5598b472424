"""A pytest plugin: `--plant NAME` runs the tests marked with that plant, with the defect in place.

The session succeeds when a test fails in its call and says what the plant's evidence is.
"""

import os
import re
from pathlib import Path

import pytest
from planted import PLANTS, sow

from testkit import reliability

CAUGHT, MISSED = 0, 1
_STATE = pytest.StashKey[list[pytest.TestReport]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--plant", choices=sorted(PLANTS), required=True, help="the defect to put in place")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any conftest imports the product; from here on for this process and those it starts."""
    name = early_config.known_args_namespace.plant
    early_config.stash[_STATE] = []
    reliability.REPORT = Path(os.devnull)  # what a defect does is no finding
    os.environ["PLANT"] = name
    sow(name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = config.option.plant
    chosen = [item for item in items if any(mark.args == (wanted,) for mark in item.iter_markers("plant"))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    report = yield
    item.config.stash[_STATE].append(report)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    plant = PLANTS[session.config.option.plant]
    failed = [one for one in session.config.stash[_STATE] if one.failed and one.when == "call"]
    caught = [one for one in failed if re.search(plant.evidence, _reason(one))]
    session.exitstatus = CAUGHT if caught else MISSED


def _reason(report: pytest.TestReport) -> str:
    """What pytest says went wrong, without the source of the test."""
    return "\n".join(line for line in report.longreprtext.splitlines() if line.startswith("E "))
