"""Endless work that survives its dependencies: a step is repeated until the process is told to stop."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from chassis.telemetry import get_logger

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.2, 5.0

_log = get_logger(__name__)


class Wake:
    """A bell: `ring` ends the present or next `wait` early."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        finally:
            self._event.clear()


class Backoff:
    """Growing pauses with full jitter, from 0.2 s to 5 s."""

    def __init__(self, largest: float = PAUSE_SECONDS_MAX) -> None:
        self._largest = largest
        self._next = PAUSE_SECONDS_MIN

    def pause(self) -> float:
        pause = self._next * random.uniform(0.5, 1.0)  # noqa: S311  spreads retries, no secret
        self._next = min(self._next * 2, self._largest)
        return pause

    def reset(self) -> None:
        self._next = PAUSE_SECONDS_MIN


async def repeat(
    name: str, stop: asyncio.Event, step: Callable[[], Awaitable[float]], wake: Wake | None = None
) -> None:
    """Run `step` until `stop`; it answers the seconds to wait before the next run, which `wake` cuts short.

    A step that raises is logged and tried again with growing pauses; one that had gone well for a while is tried soon.
    """
    wake, backoff = wake or Wake(), Backoff()
    ringing = asyncio.create_task(_ring_at(stop, wake))
    try:
        while not stop.is_set():
            started = time.monotonic()
            try:
                pause = await step()
                backoff.reset()
            except Exception as error:  # noqa: BLE001  whatever it is, the work goes on and the log tells
                if time.monotonic() - started > PAUSE_SECONDS_MAX:
                    backoff.reset()
                pause = backoff.pause()
                _log.warning("loop.failed", loop=name, problem=f"{type(error).__name__}: {error}"[:500])
            if pause > 0 and not stop.is_set():
                await wake.wait(pause)
    finally:
        ringing.cancel()


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _ring_at(stop: asyncio.Event, wake: Wake) -> None:
    await stop.wait()
    wake.ring()
