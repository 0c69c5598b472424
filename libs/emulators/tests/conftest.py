"""The store with a client that may do everything there and a stranger; Pub/Sub, ours and the official one."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from packhouse.home import Home
from packhouse.servers import PubSub, end_everything
from testkit.cloud import Cloud

sys.path.insert(0, str(Path(__file__).parent))

from official import OfficialPubSub, why_not
from post import Post
from signing import Signer, credentials


@pytest.fixture
def signer(cloud: Cloud) -> Signer:
    return Signer(cloud, credentials(cloud.key_file))


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as client:
        yield client


@pytest.fixture(scope="module", params=["ours", "official"])
def emulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one emulator after the other."""
    if request.param == "official" and why_not():
        pytest.skip(why_not())
    home = Home(tmp_path_factory.mktemp("pubsub"))
    server = PubSub(home) if request.param == "ours" else OfficialPubSub(home)
    server.start()
    yield server.url.removeprefix("grpc://")
    server.stop()
    end_everything(home)


@pytest.fixture
def post(emulator: str) -> Iterator[Post]:
    made = Post(emulator)
    yield made
    made.close()
