"""One whole stack of real processes for the session, and markets to trade in, all through the gateway."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest
from faults import armed_by_file
from markets import Market, open_market

from packhouse.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Private servers always: these tests kill them."""
    root: Path = tmp_path_factory.mktemp("stack")
    faulty = armed_by_file(root, ("identity", "media", "catalog", "orders"))
    with Stack(root, rate_limits=False, given={}, environment=faulty) as running:
        yield running


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=30, limits=limits) as client:
        yield client


@pytest.fixture
async def database(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """As superuser, to look at what the services wrote."""
    connection = await asyncpg.connect(stack.database_url())
    yield connection
    await connection.close()


@pytest.fixture
async def market(http: httpx.AsyncClient) -> Market:
    """Two vendors and two buyers of their own for one test."""
    return await open_market(http, run=uuid4().hex[:8], vendors=2, buyers=2)
