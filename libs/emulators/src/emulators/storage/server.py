"""The process: `python -m emulators storage`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from emulators.stopping import stopped
from emulators.storage.account import Account
from emulators.storage.backend import Notices, running
from emulators.storage.door import Door

GRACE_SECONDS = 2
KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True, slots=True)
class Store:
    """`url` is where clients find the door: the store writes it into the links it answers.

    `offset` is how far its clock is ahead: links die by it.
    """

    root: Path
    account: Path
    url: str
    buckets: Sequence[str]
    notices: Notices | None
    offset: timedelta = timedelta(0)


async def serve(host: str, port: int, store: Store) -> None:
    """Until the process is asked to end, or the store behind the door has ended: then raises RuntimeError."""
    account = Account.load(store.account)
    await asyncio.to_thread(store.root.mkdir, parents=True, exist_ok=True)
    async with running(store.root, store.url, store.notices) as backend:
        await backend.make_buckets(store.buckets)
        door = Door(account, backend, lambda: datetime.now(UTC) + store.offset)
        server = web.Server(door.answer, keepalive_timeout=KEEP_ALIVE_SECONDS)
        runner = web.ServerRunner(server)
        await runner.setup()
        await web.TCPSite(runner, host, port, shutdown_timeout=GRACE_SECONDS).start()
        ends = [asyncio.create_task(stopped()), asyncio.create_task(backend.ended())]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        await runner.cleanup()
        if ends[0] not in done:
            raise RuntimeError("fake-gcs-server has ended")
