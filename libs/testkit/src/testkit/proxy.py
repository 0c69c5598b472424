"""A TCP proxy that can be told to misbehave, for tests of a network that does (reliability 2.c0)."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

Direction = Literal["up", "down"]
CHUNK_BYTES = 65_536
HOLE_POLL_SECONDS = 0.02
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Faults:
    """What is wrong with the network now; may be changed while connections are open. `up` is towards the server."""

    latency_ms: float = 0
    jitter_ms: float = 0
    refuse: bool = False
    black_hole: Literal["up", "down", "both"] | None = None
    rate_kb: float | None = None
    cut_after: tuple[Direction, int] | None = None
    """Reset the connection once so many bytes have passed in that direction."""

    def swallows(self, direction: Direction) -> bool:
        return self.black_hole in {direction, "both"}


class ChaosProxy:
    """Listens on a free port of this machine and passes bytes to `host:port`, as its `faults` allow."""

    def __init__(self, host: str, port: int) -> None:
        self.faults = Faults()
        self.connections = 0
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None, "the proxy is not open"
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None, "the proxy is not open"
        self._server.close()
        self.reset()

    def heal(self) -> None:
        """An ordinary network again, for open connections too."""
        self.faults = Faults()

    def reset(self) -> None:
        """Cut every open connection hard, as a dying machine or a lost route does."""
        for writer in tuple(self._writers):
            _cut(writer)
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.faults.refuse:
            _cut(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _cut(writer)
            return
        self.connections += 1
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pipe(reader, far_writer, "up"), self._pipe(far_reader, writer, "down"))
        except OSError:
            for end in pair:
                _cut(end)
        finally:
            self._writers -= pair

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction) -> None:
        passed = 0
        while chunk := await reader.read(CHUNK_BYTES):
            await self._delay(len(chunk), direction)
            limit = self._limit(direction)
            writer.write(chunk[: max(0, limit - passed)])
            await writer.drain()
            passed += len(chunk)
            if passed >= limit:
                raise ConnectionResetError
        writer.close()

    async def _delay(self, size: int, direction: Direction) -> None:
        while self.faults.swallows(direction):  # noqa: ASYNC110  the faults are plain data that a test changes
            await asyncio.sleep(HOLE_POLL_SECONDS)
        milliseconds = self.faults.latency_ms
        if self.faults.jitter_ms:
            milliseconds += random.uniform(-1, 1) * self.faults.jitter_ms  # noqa: S311  a fault, not a secret
        if self.faults.rate_kb:
            milliseconds += size / self.faults.rate_kb / 1024 * 1000
        if milliseconds > 0:
            await asyncio.sleep(milliseconds / 1000)

    def _limit(self, direction: Direction) -> int:
        """How many bytes a connection may pass in this direction."""
        cut = self.faults.cut_after
        return cut[1] if cut is not None and cut[0] == direction else sys.maxsize


def _cut(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, so that the other side sees a failure and not an end."""
    handle: socket.socket | None = writer.get_extra_info("socket")
    if handle is not None and handle.fileno() >= 0:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()
