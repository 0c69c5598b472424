"""A gateway with a service and an identity behind it that a test can command; see `gateway_house`."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from gateway_house import House, forget_limits, opened


@pytest.fixture
async def house(tmp_path: Path, redis_url: str) -> AsyncIterator[House]:
    """Limits are off; catalog and identity are there, orders is not part of this installation."""
    async with opened(tmp_path, redis_url) as made:
        yield made


@pytest.fixture(scope="module")
async def shared_house(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[House]:
    """One for a whole module of tests that leave no trace in it."""
    async with opened(tmp_path_factory.mktemp("house"), redis_url) as made:
        yield made


@pytest.fixture
async def limited_house(tmp_path: Path, redis_url: str) -> AsyncIterator[House]:
    await forget_limits(redis_url)
    async with opened(tmp_path, redis_url, rate_limits=True, rate_user_per_minute=50, rate_ip_per_minute=80) as made:
        yield made
