"""The store, a client that may do everything there, and a stranger."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from testkit.cloud import Cloud

sys.path.insert(0, str(Path(__file__).parent))

from signing import Signer, credentials


@pytest.fixture
def signer(cloud: Cloud) -> Signer:
    return Signer(cloud, credentials(cloud.key_file))


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client
