"""OpenTelemetry traces with W3C context, through HTTP, outbox, broker and consumer.

Without a collector nothing is recorded, yet every request and message has a trace id that travels, so logs of several
processes can be joined; that costs a few microseconds a span.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.telemetry.redaction import redacted

AttributeValue = str | int | float | bool

_PROPAGATOR = TraceContextTextMapPropagator()
_ROOT = Context()


class _Current:
    """The provider in use; tests and `configure` replace it."""

    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    tracer: Tracer = provider.get_tracer("packhouse")
    exports = False


def use_provider(provider: TracerProvider, *, exports: bool = True) -> None:
    """From now on spans are made by this provider; one that exports nothing is spared those inside a request."""
    _Current.provider = provider
    _Current.exports = exports
    _Current.tracer = provider.get_tracer("packhouse")


def close_provider() -> None:
    """Send what has not been sent."""
    _Current.provider.shutdown()


def parent_of(traceparent: str | None) -> Context:
    """The remote parent a W3C `traceparent` names; a new root when it is absent or malformed."""
    if not traceparent:
        return _ROOT
    return _PROPAGATOR.extract({"traceparent": traceparent}, context=_ROOT)


def start_server_span(method: str, traceparent: str | None) -> Span:
    return _Current.tracer.start_span(method, context=parent_of(traceparent), kind=SpanKind.SERVER)


def current_traceparent() -> str | None:
    """The W3C header value of the current span; None outside any trace."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span_: Span) -> str | None:
    context = span_.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{'-'.join(_spelled(context.trace_id, context.span_id))}-{int(context.trace_flags):02x}"


def current_ids() -> tuple[str, str] | None:
    """Trace and span of the moment as 32 and 16 hexadecimal digits; None outside any trace."""
    context = trace.get_current_span().get_span_context()
    return _spelled(context.trace_id, context.span_id) if context.is_valid else None


@lru_cache(maxsize=1024)
def _spelled(trace_id: int, span_id: int) -> tuple[str, str]:
    """Kept for a while: one span's ids are written several times, in headers and log lines."""
    return f"{trace_id:032x}", f"{span_id:016x}"


@contextmanager
def span(name: str, **attributes: AttributeValue | None) -> Iterator[Span]:
    """A child of the current span around a piece of work; an exception marks it failed and goes on."""
    current = trace.get_current_span()
    if current.get_span_context().is_valid and not _Current.exports:
        yield current
        return
    with _span(name, None, SpanKind.INTERNAL, attributes) as opened:
        yield opened


@contextmanager
def publishing(traceparent: str | None, name: str, **attributes: AttributeValue | None) -> Iterator[None]:
    """A span from the moment a message leaves until the broker has confirmed it, in the trace it was written under."""
    if not _Current.exports:
        yield
        return
    with _span(name, parent_of(traceparent), SpanKind.PRODUCER, attributes):
        yield


@contextmanager
def continue_trace(traceparent: str | None, name: str, **attributes: AttributeValue | None) -> Iterator[Span]:
    """A span that goes on with the trace a message was written under, whatever the current one is."""
    with _span(name, parent_of(traceparent), SpanKind.CONSUMER, attributes) as opened:
        yield opened


@contextmanager
def _span(
    name: str, parent: Context | None, kind: SpanKind, attributes: dict[str, AttributeValue | None]
) -> Iterator[Span]:
    opened = _Current.tracer.start_span(name, context=parent, kind=kind)
    if opened.is_recording():
        opened.set_attributes(redacted({key: value for key, value in attributes.items() if value is not None}))
    token = otel_context.attach(trace.set_span_in_context(opened, parent))
    try:
        yield opened
    except BaseException as error:
        opened.set_status(StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        otel_context.detach(token)
        opened.end()
