"""The services behind the gateway: kept-alive connections, instances in turn, answers passed on as they come."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from starlette.types import Receive, Send
from yarl import URL

from chassis.telemetry import counter, gauge, get_logger
from gateway.clients.bodies import Body, ClientGone
from gateway.domain.breaker import Breaker
from gateway.domain.headers import Header, returned
from kernel.refusal import Unavailable

CONNECT_SECONDS = 0.5
FIRST_BYTE_SECONDS = 12.0
TOTAL_SECONDS = 15.0
KEEP_ALIVE_SECONDS = 30.0
"""Shorter than our services', so that we never write into a connection that the other side is just closing."""

HELD_BYTES_MAX = 64 * 1024
HEADER_BYTES_MAX = 32 * 1024
_UNSENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_OWN_WORDS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

_log = get_logger(__name__)
_open = gauge("gateway_circuit_open", "1 while a service is left alone because it did not answer.", ("service",))
_failures = counter("gateway_upstream_failures_total", "Requests a service did not answer.", ("service", "kind"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """A request as the service shall see it. `target` is its path with the query, written as on the wire."""

    service: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: Body


@dataclass(slots=True)
class _Passing:
    """How far an answer has come: once begun it cannot be replaced by another."""

    send: Send
    extra: Sequence[Header]
    breaker: Breaker
    is_trial: bool
    begun: bool = False


class Upstreams:
    """One HTTP session to all instances of all services. Redirects are passed on, bodies stay as they are encoded."""

    def __init__(self, addresses: Mapping[str, Sequence[str]], connections: int) -> None:
        self._addresses = {service: list(bases) for service, bases in addresses.items() if bases}
        self._turn = dict.fromkeys(self._addresses, 0)
        self._breakers = {service: Breaker(service) for service in self._addresses}
        self._now = time.monotonic
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    @property
    def services(self) -> frozenset[str]:
        return frozenset(self._addresses)

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=self._connections, keepalive_timeout=KEEP_ALIVE_SECONDS
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_OWN_WORDS,
                max_line_size=HEADER_BYTES_MAX,
                max_field_size=HEADER_BYTES_MAX,
            )
            # A request that may have reached a service is never sent again (spec 1.10); aiohttp has no public switch.
            self._session._retry_connection = False  # noqa: SLF001
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get_json(self, service: str, path: str, headers: Mapping[str, str], seconds: float) -> Any:
        """A JSON document of a service. Raises Unavailable when it cannot be had in time."""
        try:
            async with asyncio.timeout(seconds):
                response = await self._asked(service, "GET", path, list(headers.items()), None)
                async with response:
                    response.raise_for_status()
                    return await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(service) from error

    async def pass_on(self, request: Forwarded, receive: Receive, send: Send, extra: Sequence[Header]) -> None:
        """Send the request to the service and its answer, with the extra headers, to the client.

        Raises TooLarge, Invalid or Unavailable while the answer has not begun; an answer that breaks off later breaks
        off for the client too, which sees a body shorter than announced.
        """
        breaker = self._breakers[request.service]
        passing = _Passing(send, extra, breaker, self._is_trial(breaker))
        try:
            await self._pass(request, receive, passing)
        except ClientGone:
            return
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._give_up(request, passing, error)
        finally:
            if passing.is_trial:
                breaker.end_trial()

    def _is_trial(self, breaker: Breaker) -> bool:
        try:
            return breaker.admit(self._now())
        except Unavailable:
            _failures.labels(breaker.service, "open").inc()
            raise

    async def _pass(self, request: Forwarded, receive: Receive, passing: _Passing) -> None:
        async with asyncio.timeout(FIRST_BYTE_SECONDS) as timer:
            content = await request.body.content()
            response = await self._asked(request.service, request.method, request.target, request.headers, content)
            async with response:
                if passing.breaker.succeed():
                    _open.labels(request.service).set(0)
                    _log.info("upstream.circuit_closed", service=request.service)
                await self._answer(response, request, passing, timer, receive)

    async def _asked(
        self, service: str, method: str, target: str, headers: list[tuple[str, str]], content: Any
    ) -> aiohttp.ClientResponse:
        """The head of the answer. An instance that refuses the connection has seen nothing: the next one is asked."""
        bases = self._addresses[service]
        for left in range(len(bases) - 1, -1, -1):
            turn = self._turn[service]
            self._turn[service] = (turn + 1) % len(bases)
            try:
                return await self.session.request(
                    method,
                    URL(bases[turn] + target, encoded=True),
                    headers=headers,
                    data=content,
                    allow_redirects=False,
                )
            except _UNSENT:
                _failures.labels(service, "refused").inc()
                if not left:
                    raise
        raise Unavailable(service)

    async def _answer(
        self,
        response: aiohttp.ClientResponse,
        request: Forwarded,
        passing: _Passing,
        timer: asyncio.Timeout,
        receive: Receive,
    ) -> None:
        if response.content_type == "text/event-stream":
            timer.reschedule(None)
            await _until_gone(self._stream(response, passing), receive)
            return
        if not response.content.is_eof():
            timer.reschedule((timer.when() or 0) + TOTAL_SECONDS - FIRST_BYTE_SECONDS)
        length = response.content_length
        if length is not None and length <= HELD_BYTES_MAX and request.method != "HEAD":
            body = await response.read()
            await self._begin(response, passing)
            await passing.send({"type": "http.response.body", "body": body})
        else:
            await self._stream(response, passing)

    async def _stream(self, response: aiohttp.ClientResponse, passing: _Passing) -> None:
        await self._begin(response, passing)
        async for piece in response.content.iter_any():
            await passing.send({"type": "http.response.body", "body": piece, "more_body": True})
        await passing.send({"type": "http.response.body", "body": b""})

    async def _begin(self, response: aiohttp.ClientResponse, passing: _Passing) -> None:
        passing.begun = True
        headers = [*returned(response.raw_headers), *passing.extra]
        await passing.send({"type": "http.response.start", "status": response.status, "headers": headers})

    def _give_up(self, request: Forwarded, passing: _Passing, error: Exception) -> None:
        """What failed is the service's fault, unless the client's body ended or did not come."""
        if isinstance(error, TimeoutError):
            request.body.give_up()
        if isinstance(request.body.refusal, ClientGone):
            return
        if request.body.refusal is not None:
            raise request.body.refusal from None
        kind = "timeout" if isinstance(error, TimeoutError) else "failed"
        _failures.labels(request.service, kind).inc()
        _log.warning("upstream.failed", service=request.service, error=type(error).__name__, begun=passing.begun)
        if not passing.begun:
            self._count(passing)
            raise Unavailable(request.service) from error

    def _count(self, passing: _Passing) -> None:
        service = passing.breaker.service
        if passing.breaker.fail(self._now(), is_trial=passing.is_trial):
            _open.labels(service).set(1)
            _log.error("upstream.circuit_opened", service=service)


async def _until_gone(stream: Any, receive: Receive) -> None:
    """Run the stream until it ends or its reader leaves."""
    reading = asyncio.ensure_future(_gone(receive))
    streaming = asyncio.ensure_future(stream)
    try:
        await asyncio.wait({reading, streaming}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        streaming.cancel()
        await asyncio.gather(reading, streaming, return_exceptions=True)
    if not streaming.cancelled():
        streaming.result()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
