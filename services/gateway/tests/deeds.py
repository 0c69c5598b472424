"""What the service behind the gateway does when `X-Do` asks for it: answers of every kind, and accidents."""

import asyncio
import json

from aiohttp import web

FLOOD_BYTES = 64 * 1024 * 1024
"""More than the machine's own buffers take."""

LEFT = web.AppKey("left", list[str])


async def tell(request: web.Request) -> web.StreamResponse:
    return web.json_response({"data": {"path": request.path}}, headers={"X-PF-Token": "fresh", "Date": "never"})


async def teapot(_request: web.Request) -> web.StreamResponse:
    body = json.dumps({"error": {"code": "CONFLICT", "reason": "own_words", "message": "m", "request_id": "x"}})
    return web.Response(status=409, text=body, content_type="application/json", headers={"Cache-Control": "private"})


async def redirect(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "http://127.0.0.1:9/elsewhere", "Set-Cookie": "a=b"})


async def packed(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\x1f\x8b not really gzip", headers={"Content-Encoding": "gzip"})


async def large(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(64):
        await response.write(b"x" * 65_536)
    return response


async def flood(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(FLOOD_BYTES // 65_536):
        await response.write(b"x" * 65_536)
    return response


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(3):
        await response.write(f"data: {number}\n\n".encode())
        await asyncio.sleep(0.3)
    return response


async def endless_events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    try:
        while True:
            await response.write(b": beat\n\n")
            await asyncio.sleep(0.05)
    except (ConnectionError, asyncio.CancelledError):
        request.app[LEFT].append(request.path)
        raise


async def die_first(request: web.Request) -> web.StreamResponse:
    """The connection breaks before a byte of the answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def die_midway(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "200000"})
    await response.prepare(request)
    await response.write(b"y" * 100_000)
    await asyncio.sleep(0.05)
    assert request.transport is not None
    request.transport.abort()
    return response


async def hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


DEEDS = {
    "tell": tell,
    "teapot": teapot,
    "redirect": redirect,
    "packed": packed,
    "large": large,
    "flood": flood,
    "events": events,
    "endless-events": endless_events,
    "die-first": die_first,
    "die-midway": die_midway,
    "hang": hang,
}
