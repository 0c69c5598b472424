"""Relays that run while a block does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chassis.outbox import Relay

ENDED_SECONDS = 20.0


@asynccontextmanager
async def relaying(floor: Any, count: int = 1) -> AsyncIterator[None]:
    """So many relays of one service; leaving the block stops them, and they finish their moves first."""
    stop = asyncio.Event()
    running = [asyncio.create_task(Relay(floor).run(stop)) for _ in range(count)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), ENDED_SECONDS)
