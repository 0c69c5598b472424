"""A bare aiohttp proxy: no tokens, no limits, no logs. Usage: python -m bench.floors.proxy PORT UPSTREAM."""

import sys

import aiohttp
from aiohttp import web

UPSTREAM = web.AppKey("upstream", str)
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def passed_on(request: web.Request) -> web.StreamResponse:
    """Pass one request to the upstream and its answer back, streamed."""
    url = request.app[UPSTREAM] + request.path_qs
    body = request.content if request.body_exists else None
    headers = {"Content-Type": request.content_type} if body else {}
    async with request.app[SESSION].request(request.method, url, data=body, headers=headers) as answer:
        return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)


async def _session(app: web.Application):  # noqa: ANN202  an aiohttp clean-up context
    app[SESSION] = aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar())
    yield
    await app[SESSION].close()


def main() -> None:
    app = web.Application()
    app[UPSTREAM] = sys.argv[2]
    app.cleanup_ctx.append(_session)
    app.router.add_route("*", "/{tail:.*}", passed_on)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
