"""An OpenTelemetry collector for one test: it takes spans over HTTP and draws the tree of a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MILLISECOND = 1_000_000


@dataclass(frozen=True)
class Span:
    """One piece of work; `began` and `ended` are in nanoseconds since 1970."""

    service: str
    name: str
    trace_id: str
    id: str
    parent: str
    began: int
    ended: int

    def drawn(self, began: int, depth: int) -> str:
        """A line of the picture: when it began and how long it took, in milliseconds, and what it was."""
        at, took = (self.began - began) / MILLISECOND, (self.ended - self.began) / MILLISECOND
        return f"{at:8.1f} {took:7.1f}  {'  ' * depth}{self.service}: {self.name}"


class Collector:
    """Everything that was sent to `url`, by trace."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[Span] = []

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            service = names["service.name"].removeprefix("packhouse-")
            for one in (span for scope in resource.scope_spans for span in scope.spans):
                ids = (one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex())
                self.spans.append(Span(service, one.name, *ids, one.start_time_unix_nano, one.end_time_unix_nano))

    def trace(self, trace_id: str) -> list[Span]:
        return sorted((one for one in self.spans if one.trace_id == trace_id), key=lambda one: one.began)

    def picture(self, trace_id: str) -> str:
        """The trace as a tree, the oldest first; milliseconds from its beginning, and of each span."""
        spans = self.trace(trace_id)
        known = {one.id for one in spans}

        def below(parents: set[str], depth: int) -> Iterator[str]:
            for one in spans:
                if (one.parent if one.parent in known else "") in parents:
                    yield one.drawn(spans[0].began, depth)
                    yield from below({one.id}, depth + 1)

        return "\n".join(["   at ms    took  what", *below({""}, 0)])


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not into the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
