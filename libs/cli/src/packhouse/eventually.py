"""Waiting for what the house promises to happen soon."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(holds: Callable[[], Awaitable[bool]], *, within: float, every: float = 0.05) -> float:
    """Seconds until `holds` answered true; raises TimeoutError when it did not `within` that many seconds."""
    started = time.monotonic()
    while not await holds():
        if time.monotonic() - started > within:
            raise TimeoutError(f"not within {within} s: {getattr(holds, '__name__', holds)}")
        await asyncio.sleep(every)
    return time.monotonic() - started
