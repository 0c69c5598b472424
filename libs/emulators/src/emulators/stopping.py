"""Waiting for the signal that ends a process."""

import asyncio
import signal


async def stopped() -> None:
    """Returns at the first SIGTERM or SIGINT."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
