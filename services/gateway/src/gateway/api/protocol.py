"""The connections of the gateway: uvicorn's own, with a limit on everything that a client could let us wait for.

uvicorn has no limit for the head of a request, the pace of a body or a reader that does not read, and keeps one timer
per request for idle connections. Here the gate looks at each connection now and then instead.
"""

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from chassis.answer import refused
from chassis.ids import new_id
from chassis.telemetry import counter
from chassis.web.exchange import send_answer
from gateway.api.gate import LINGER_SECONDS, Gate
from gateway.domain.headers import Header, secured
from gateway.domain.heads import HEAD_BYTES_MAX, head_problem, malformed, too_large, too_slow
from gateway.settings import Settings
from kernel.refusal import Invalid, Refusal, Unavailable

if TYPE_CHECKING:
    from chassis.floor import Floor

PIPELINED_MAX: Final = 16
FRAMING_BYTES_MAX: Final = 2 * HEAD_BYTES_MAX
FRAMING_RATIO_MAX: Final = 9
"""Chunks of one byte each are sent as six; extensions and trailers may have what is left."""

_ended = counter("gateway_connections_ended_total", "Connections that the gateway ended, by why.", ("why",))


class Phase(Enum):
    """What a connection waits for."""

    IDLE = "the next request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"
    ANSWER = "our answer"
    LEAVING = "the other side to read our last words"


IDLE, HEAD, BODY, ANSWER, LEAVING = Phase


class _ProblemError(Exception):
    """A head that the parser took and we do not."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `_since` is when the gate first saw it in its phase: a request reads no clock."""

    gate: ClassVar[Gate]
    _phase = IDLE
    _since = 0.0
    _stalled_since = 0.0
    _received = 0
    """Bytes since the head that is being read began, or since the one whose body is being read."""
    _carried = 0
    """Bytes of the body among them."""
    _chunk = 0
    _problem: Invalid | None = None
    _is_deaf = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._is_trusted = self.gate.trusts(self._address)
        refusal = self.gate.enter(self, self._address)
        if refusal is not None:
            self._turn_away(refusal, "too many")

    def connection_lost(self, exc: Exception | None) -> None:
        self.gate.leave(self, self._address)
        super().connection_lost(exc)

    # What the parser is fed, and what it finds

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        if self._phase is IDLE:
            self._enter(HEAD)
        self._chunk = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # we speak nothing else, and what followed is lost
        except httptools.HttpParserError:
            self._turn_away(self._problem or malformed("request", "is invalid"), "malformed")
            return
        self._received += self._chunk
        if self._phase is HEAD and self._received > HEAD_BYTES_MAX:
            self._turn_away(too_large(), "malformed")
        elif self._phase is BODY and self._received > FRAMING_BYTES_MAX + FRAMING_RATIO_MAX * self._carried:
            self._turn_away(malformed("body", "is mostly framing"), "malformed")

    def on_message_begin(self) -> None:
        if self._phase is not HEAD:  # sent before the answer to the last one; what came before it does not count
            self._enter(HEAD)
            self._received = 1 - self._chunk
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        is_short = self._received <= 0 and self._chunk <= HEAD_BYTES_MAX
        self._problem = head_problem(self.url, self.headers, self.parser.get_http_version(), is_short=is_short)
        if self._problem is not None or len(self.pipeline) >= PIPELINED_MAX:
            raise _ProblemError
        super().on_headers_complete()
        self.headers = []  # for trailers, which nobody asked for: the app has the list that was here
        self._enter(BODY)

    def on_body(self, body: bytes) -> None:
        self._carried += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._enter(IDLE if self.cycle.response_complete else ANSWER)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._phase is ANSWER:
            self._enter(IDLE)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if len(self.tasks) >= self.gate.settings.requests_max:
            app = _overloaded
        super()._start_asgi_task(cycle, app)

    def resume_writing(self) -> None:
        self._stalled_since = 0.0
        super().resume_writing()

    # What the gate finds

    def look(self, now: float) -> None:
        """End it when it has been in its phase for too long, or when nothing we write is read any more."""
        if not self._since:
            self._since = self._window_since = now
            self._window_received = self._received
        elif self._is_over(now):
            self._end()
        if self.transport.is_closing() or self.flow.write_paused:
            self._stalled_since = self._stalled_since or now
            if now - self._stalled_since > self.gate.settings.head_seconds:
                self._abort("not reading")

    def _is_over(self, now: float) -> bool:
        waited = now - self._since
        match self._phase:
            case Phase.IDLE:
                return waited > self.gate.idle_seconds(is_trusted=self._is_trusted)
            case Phase.HEAD:
                return waited > self.gate.settings.head_seconds
            case Phase.BODY:
                return waited > self.gate.settings.body_seconds or self._is_dripping(now)
            case Phase.LEAVING:
                return waited > LINGER_SECONDS
        return False

    def _is_dripping(self, now: float) -> bool:
        """Whether less than the rate came in half the time of a body, although we were reading."""
        seconds = now - self._window_since
        if seconds < self.gate.settings.body_seconds / 2:
            return False
        came = self._received - self._window_received
        self._window_since, self._window_received = now, self._received
        is_ours = self.flow.read_paused or self.cycle.waiting_for_100_continue
        return not is_ours and came < seconds * self.gate.settings.body_bytes_per_second

    def _end(self) -> None:
        match self._phase:
            case Phase.IDLE:
                self.transport.close()
            case Phase.HEAD:
                self._turn_away(too_slow("headers"), "slow head")
            case Phase.BODY:
                self._turn_away(too_slow("body"), "slow body")
            case _:
                self.transport.abort()

    # Last words

    def _turn_away(self, refusal: Refusal, why: str) -> None:
        """End the connection, with this answer where none is due or under way; nothing more of it is read.

        The other side gets a moment to read it: closing on unread input would take the answer away again.
        """
        _ended.labels(why).inc()
        self._is_deaf = True
        cycle, is_owed = self.cycle, self.cycle is not None and not self.cycle.response_complete
        if self._phase is not BODY and is_owed:
            cycle.keep_alive = False  # an earlier request is being answered, and was the last one
            self._enter(ANSWER)
        elif self._phase is BODY and not self._is_given_up(cycle):
            self.transport.abort()
        else:
            self._enter(LEAVING)
            self.transport.write(_last_words(refusal))
            self.transport.write_eof()

    def _is_given_up(self, cycle: RequestResponseCycle) -> bool:
        """Tell the app that its client is gone; whether the client may still get an answer, having got none."""
        is_silent = not cycle.response_started and not self.pipeline
        if not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        return is_silent

    def _abort(self, why: str) -> None:
        _ended.labels(why).inc()
        self.transport.abort()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._since = 0.0
        if phase is HEAD:
            self._received = self._carried = 0


def guarded(floor: "Floor") -> type[GuardedProtocol]:
    """The protocol of one process, with its gate."""
    if not isinstance(floor.settings, Settings):
        raise TypeError("the gateway needs its own settings")
    return type("Guarded", (GuardedProtocol,), {"gate": Gate(floor.settings)})


async def _overloaded(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_answer(refused(Unavailable("gateway", retry_after=1), str(new_id())), send, 503)


def _last_words(refusal: Refusal) -> bytes:
    """A whole answer, for requests that never became one."""
    request_id = str(new_id())
    answer = refused(refusal, request_id)
    headers: list[Header] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
        *((name.encode(), value.encode()) for name, value in answer.headers),
    ]
    lines = [name + b": " + value for name, value in secured(headers, (), is_api=True, is_production=False)]
    return STATUS_LINE[answer.status or 400] + b"\r\n".join([*lines, b"", answer.body])
