"""A relay of the sample service as a process of its own, to be killed and paused. Configured by the environment."""

import asyncio
from types import SimpleNamespace

from chassis import failpoints
from chassis.outbox import Relay
from chassis.settings import ServiceSettings
from testkit.sample.manifest import SERVICE


async def main() -> None:
    settings = ServiceSettings()
    failpoints.arm(settings.failpoints)
    await Relay(SimpleNamespace(service=SERVICE, settings=settings)).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
