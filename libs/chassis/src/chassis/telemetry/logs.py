"""Structured logs: one JSON object per line on stdout, with the trace of the moment and the fields of the context."""

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ClassVar

import structlog
from pydantic_core import to_json

from chassis.telemetry.redaction import redacted, scrubbed
from chassis.telemetry.traces import current_ids

Event = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

_fields: ContextVar[dict[str, Any]] = ContextVar("packhouse_log_fields", default={})  # noqa: B039  never changed in place
_steps: list[Any] = []
"""One list for the life of the process: loggers keep it once they have written, so it is changed in place."""


def get_logger(name: str) -> Any:
    """A logger whose event names are constant and whose values are keywords."""
    return structlog.get_logger(name)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Every line written inside carries these fields; they are redacted here, once, and not at each line."""
    token = _fields.set({**_fields.get(), **redacted(fields)})
    try:
        yield
    finally:
        _fields.reset(token)


def bind(**fields: Any) -> None:
    """As `bound`, until the surrounding `bound` ends."""
    _fields.set({**_fields.get(), **redacted(fields)})


def log_to_stderr() -> None:
    """For commands, whose stdout is their answer."""
    _Lines.stream = "stderr"


class _Lines:
    """Looks its stream up at each line, so that a test that captures it sees the lines."""

    stream: ClassVar[str] = "stdout"

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        out = getattr(sys, self.stream)
        out.write(line + "\n")
        out.flush()

    debug = info = warning = error = critical = msg


def _add_context(logger: Any, _method: str, event: Event) -> Event:
    """What is known without being said: it is ours, and comes after the redaction of what was said."""
    event.setdefault("logger", getattr(logger, "name", None))
    ids = current_ids()
    if ids is not None:
        event["trace_id"], event["span_id"] = ids
    return {**_fields.get(), **event}


def _add_stack(_logger: Any, _method: str, event: Event) -> Event:
    """Turn `exc_info` into the stack without local values; messages of others are scrubbed."""
    given = event.pop("exc_info", None)
    if given:
        error = given if isinstance(given, BaseException) else _raised(given)
        if error is not None:
            event["stack"] = "".join(traceback.format_exception(error))
    return event


def _raised(given: bool | ExcInfo) -> BaseException | None:
    return given[1] if isinstance(given, tuple) else sys.exc_info()[1]


def _redact(_logger: Any, _method: str, event: Event) -> Event:
    return redacted(event)


def _render(_logger: Any, _method: str, event: Event) -> str:
    try:
        return to_json(event, fallback=str).decode()
    except ValueError:  # lone surrogates in somebody else's text
        return to_json(
            {key: str(value).encode(errors="backslashreplace").decode() for key, value in event.items()}
        ).decode()


def processors(service: str) -> list[Any]:
    """The steps each line takes; whatever a caller or a library says passes redaction."""

    def add_service(_logger: Any, _method: str, event: Event) -> Event:
        event["service"] = service
        return event

    return [
        _add_stack,
        _redact,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        _add_context,
    ]


def configure_logs(service: str, level: str) -> None:
    """Send the lines of this process, and the warnings of libraries, to stdout as JSON."""
    steps = processors(service)
    _steps[:] = [*steps, _render]
    structlog.configure(
        processors=_steps,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(getattr(sys, _Lines.stream))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[_name_foreign, *steps], processors=[_drop_meta, _render])
    )
    root = logging.getLogger()
    root.handlers = [kept for kept in root.handlers if not isinstance(kept.formatter, type(handler.formatter))] + [
        handler
    ]
    root.setLevel(logging.WARNING)


def _name_foreign(_logger: Any, _method: str, event: Event) -> Event:
    """A library's message is free text, so it goes under `message` and is scrubbed; the event name stays constant."""
    record = event.get("_record")
    message = scrubbed(str(event.get("event")))
    return {**event, "event": "library.message", "logger": getattr(record, "name", None), "message": message}


def _drop_meta(_logger: Any, _method: str, event: Event) -> Event:
    return {key: value for key, value in event.items() if not key.startswith("_")}
