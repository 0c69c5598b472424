"""What pytest loads: the servers of the session, one set for all its workers."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from packhouse.home import Home

pytest.register_assert_rewrite("testkit.conformance", "testkit.reliability", "testkit.world")

from testkit.cloud import Cloud  # noqa: E402  after its sibling modules are registered
from testkit.reliability import Reliability  # noqa: E402  as above
from testkit.scheduling import scheduler  # noqa: E402  as above
from testkit.servers import TestServers, close_home, open_home  # noqa: E402  as above

_HOME = pytest.StashKey[Home]()
_WORKER = "PYTEST_XDIST_WORKER"
_WORKERS = "PYTEST_XDIST_WORKER_COUNT"


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """The controller makes the folder before its workers start, so that they share what is started in it."""
    session.config.stash[_HOME] = open_home()


def pytest_collection_finish() -> None:
    """What was collected stays to the end: looking through it again and again would stop the loop for a second or two,
    which is longer than a service waits for another.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(25_000, 20, 50)


def pytest_unconfigure(config: pytest.Config) -> None:
    home = config.stash.get(_HOME, None)
    if home is not None and _WORKER not in os.environ:
        close_home(home)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where several workers share the tests."""
    return scheduler(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> TestServers:
    """All of them, each started by the first test that uses it."""
    worker = int(os.environ.get(_WORKER, "gw0").removeprefix("gw"))
    workers = int(os.environ.get(_WORKERS, "1"))
    return TestServers(pytestconfig.stash[_HOME], worker=worker, workers=workers)


@pytest.fixture
def reliability(pytestconfig: pytest.Config) -> Reliability:
    """The chances of a fault test, and the report it tells what it saw."""
    return Reliability(pytestconfig.rootpath, pytestconfig.stash[_HOME].root.name)


@pytest.fixture
async def cloud(servers: TestServers) -> AsyncIterator[Cloud]:
    """An object store and Pub/Sub with nothing in them."""
    async with servers.cloud() as opened:
        yield opened


@pytest.fixture(scope="session")
def postgres_url(servers: TestServers) -> str:
    return servers.postgres_url


@pytest.fixture(scope="session")
def redis_url(servers: TestServers) -> str:
    return servers.redis_url


@pytest.fixture(scope="session")
def rabbitmq_url(servers: TestServers) -> str:
    return servers.rabbitmq_url
