"""The chaos proxy does to a connection exactly what its faults say."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from testkit.proxy import ChaosProxy, Faults


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[ChaosProxy]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with server, ChaosProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as opened:
        yield opened


async def _ask(proxy: ChaosProxy, question: bytes = b"hello") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(question)
    try:
        return await asyncio.wait_for(reader.read(1024), 2)
    finally:
        writer.close()


async def test_a_healthy_proxy_passes_bytes_both_ways(proxy: ChaosProxy) -> None:
    assert await _ask(proxy) == b"hello"


async def test_latency_delays_each_direction(proxy: ChaosProxy) -> None:
    proxy.faults = Faults(latency_ms=50)
    started = time.monotonic()
    assert await _ask(proxy) == b"hello"
    assert time.monotonic() - started >= 0.1


async def test_a_refusing_proxy_resets_new_connections(proxy: ChaosProxy) -> None:
    proxy.faults = Faults(refuse=True)
    with pytest.raises(ConnectionResetError):
        await _ask(proxy)


async def test_a_black_hole_swallows_the_answer_until_healed(proxy: ChaosProxy) -> None:
    proxy.faults = Faults(black_hole="down")
    asking = asyncio.create_task(_ask(proxy))
    done, _ = await asyncio.wait({asking}, timeout=0.2)
    assert not done
    proxy.heal()
    assert await asking == b"hello"


async def test_a_cut_comes_after_the_given_number_of_bytes(proxy: ChaosProxy) -> None:
    proxy.faults = Faults(cut_after=("up", 3))
    with pytest.raises(ConnectionResetError):
        await _ask(proxy)


async def test_reset_cuts_connections_that_are_open(proxy: ChaosProxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"hello")
    await reader.read(1024)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read(1024)
    writer.close()
