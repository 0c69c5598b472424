"""The service, and members of two stores."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from kernel.scope import Kyc, Role, StoreType
from newservice.manifest import SERVICE
from testkit.callers import Caller
from testkit.servers import TestServers
from testkit.world import World


@pytest.fixture(scope="module")
async def world(servers: TestServers) -> AsyncIterator[World]:
    """One for all tests of a file; each plays with stores of its own."""
    async with World.open(SERVICE, servers) as world:
        yield world


def member_of_some_store(world: World) -> Caller:
    return world.caller(
        user_id=uuid4(), store_id=uuid4(), store_type=StoreType.VENDOR, role=Role.OWNER, kyc_status=Kyc.VERIFIED
    )


@pytest.fixture
def member(world: World) -> Caller:
    return member_of_some_store(world)


@pytest.fixture
def stranger(world: World) -> Caller:
    return member_of_some_store(world)
