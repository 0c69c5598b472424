"""A relay of the sample service as a process of its own, to be paused. Configured by the environment."""

import asyncio
from types import SimpleNamespace

from chassis.outbox import Relay
from chassis.settings import ServiceSettings
from testkit.sample.manifest import SERVICE


async def main() -> None:
    settings = ServiceSettings()
    await Relay(SimpleNamespace(service=SERVICE, settings=settings)).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
