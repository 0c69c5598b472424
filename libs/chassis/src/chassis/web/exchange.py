"""One HTTP request from its first byte to its last: request id, trace, the two log lines, metrics, and the panic guard.

Pure ASGI, so that it costs microseconds and also stands in front of an app that is not ours (the gateway's edge).
"""

import re
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.answer import Answer, internal_error
from chassis.ids import new_id
from chassis.telemetry.costs import Cost, costed
from chassis.telemetry.logs import bind, bound, get_logger
from chassis.telemetry.metrics import counter, histogram
from chassis.telemetry.traces import start_server_span, traceparent_of

if TYPE_CHECKING:
    from chassis.floor import Floor

EXCHANGE: Final = "packhouse.exchange"
UNMATCHED: Final = "unmatched"
# Metrics keep a bounded number of series whatever methods clients make up.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(rb"[\w.:-]{1,128}", re.ASCII)

log = get_logger(__name__)
_requests = counter("http_requests_total", "Requests by route and status.", ("method", "route", "status"))
_seconds = histogram("http_request_duration_seconds", "Time to the last byte.", ("method", "route"))


class Exchange:
    """State of one request that the front, the doors and the edge share through the ASGI scope."""

    __slots__ = ("began", "floor", "headers", "method", "quiet", "request_id", "route", "span", "started", "status")

    def __init__(self, scope: Scope, floor: "Floor") -> None:
        self.floor = floor
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.started = perf_counter()
        self.request_id = _request_id(self.headers.get(b"x-request-id"))
        self.route = UNMATCHED
        self.status = 0
        self.began = False
        self.quiet = False
        self.span: Span = trace.INVALID_SPAN

    def begin(self, route: str, user_id: UUID | None = None, store_id: UUID | None = None) -> None:
        """Say once which route was taken and by whom; writes `request.start`."""
        if self.began:
            return
        self.began = True
        self.route = route
        people = {"user_id": user_id, "store_id": store_id} if user_id or store_id else {}
        bind(request_id=self.request_id, **people)
        if not self.quiet:
            log.info("request.start", method=self.method, route=route)

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def end(self, cost: Cost) -> None:
        """Write `request.complete`, count, and close the span."""
        seconds = perf_counter() - self.started
        if not self.quiet:
            log.info(
                "request.complete",
                method=self.method,
                route=self.route,
                status=self.status,
                duration_ms=round(seconds * 1000, 2),
                statements=cost.statements,
            )
        method = self.method if self.method in _METHODS else "OTHER"
        _counted(method, self.route, self.status).inc()
        _timed(method, self.route).observe(seconds)
        self._end_span()

    def _end_span(self) -> None:
        if self.span.is_recording():
            self.span.update_name(f"{self.method} {self.route}")
            self.span.set_attribute("http.request.method", self.method)
            self.span.set_attribute("http.route", self.route)
            self.span.set_attribute("http.response.status_code", self.status)
            self.span.set_attribute("packhouse.request_id", self.request_id)
            if self.status >= 500:  # noqa: PLR2004  server errors
                self.span.set_status(StatusCode.ERROR)
        self.span.end()


class Front:
    """The outermost app of every process that answers HTTP."""

    def __init__(self, app: ASGIApp, floor: "Floor") -> None:
        self.app = app
        self.floor = floor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, self.floor)
        scope[EXCHANGE] = exchange
        exchange.span = start_server_span(exchange.method, exchange.header(b"traceparent"))
        token = otel_context.attach(trace.set_span_in_context(exchange.span))
        try:
            with bound(request_id=exchange.request_id), costed() as cost:
                try:
                    await self._guarded(exchange, scope, receive, send)
                finally:
                    exchange.end(cost)
        finally:
            otel_context.detach(token)

    async def _guarded(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; a defect becomes a 500 with a fixed message, and its stack goes to the log only."""

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.begin(exchange.route)
                exchange.status = message["status"]
                message["headers"] = _framed_headers(message.get("headers", ()), exchange)
            await send(message)

        try:
            await self.app(scope, receive, framed)
        except Exception as error:
            exchange.begin(exchange.route)
            log.exception("request.failed", exc_info=error, route=exchange.route)
            if exchange.status == 0:
                await send_answer(internal_error(exchange.request_id), framed, 500)
        finally:
            exchange.status = exchange.status or 499


async def send_answer(answer: Answer, send: Send, status: int) -> None:
    """Send an answer; `status` counts when the answer names none."""
    headers = [(b"content-length", str(len(answer.body)).encode())]
    if answer.content_type is None:
        headers = []
    else:
        headers.append((b"content-type", answer.content_type.encode()))
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status or status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _framed_headers(headers: Any, exchange: Exchange) -> list[tuple[bytes, bytes]]:
    """The headers with our request id and trace instead of any an upstream has set."""
    kept = [pair for pair in headers if pair[0] not in {b"x-request-id", b"traceresponse"}]
    kept.append((b"x-request-id", exchange.request_id.encode()))
    trace_response = traceparent_of(exchange.span)
    if trace_response:
        kept.append((b"traceresponse", trace_response.encode()))
    return kept


def _request_id(given: bytes | None) -> str:
    """The client's id when it is well-formed, else a new one (spec 1.3)."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return str(new_id())


_counters: dict[tuple[str, str, int], Counter] = {}
_timers: dict[tuple[str, str], Histogram] = {}


def _counted(method: str, route: str, status: int) -> Counter:
    key = (method, route, status)
    child = _counters.get(key)
    if child is None:
        child = _counters[key] = _requests.labels(method, route, str(status))
    return child


def _timed(method: str, route: str) -> Histogram:
    key = (method, route)
    child = _timers.get(key)
    if child is None:
        child = _timers[key] = _seconds.labels(method, route)
    return child
