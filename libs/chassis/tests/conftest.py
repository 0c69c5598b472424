from collections.abc import AsyncIterator

import pytest

from chassis import failpoints
from testkit.sample.bench import Bench, opened
from testkit.servers import TestServers


@pytest.fixture
async def bench(servers: TestServers) -> AsyncIterator[Bench]:
    async with opened(servers) as bench:
        yield bench
    failpoints.arm("")
