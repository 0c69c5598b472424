"""Structured logs: one JSON object per line on stdout, with the trace of the moment and the fields of the context."""

import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
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


class _Written:
    """The one step that every line takes; whatever a caller or a library says is redacted before ours is added."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, logger: Any, method: str, event: Event) -> str:
        stack = _stack(event.pop("exc_info", None))
        if stack is not None:
            event["stack"] = stack
        line = {**_fields.get(), **redacted(event)}
        line.setdefault("logger", getattr(logger, "name", None))
        line |= {"level": _LEVELS.get(method, method), "timestamp": datetime.now(UTC), "service": self._service}
        ids = current_ids()
        if ids is not None:
            line["trace_id"], line["span_id"] = ids
        return _rendered(line)


_LEVELS = {"exception": "error", "warn": "warning"}


def _stack(given: bool | BaseException | ExcInfo | None) -> str | None:
    """Of what was raised, without local values; None when nothing was, or nobody asks."""
    if not given:
        return None
    error = given if isinstance(given, BaseException) else _raised(given)
    return None if error is None else "".join(traceback.format_exception(error))


def _raised(given: bool | ExcInfo) -> BaseException | None:
    return given[1] if isinstance(given, tuple) else sys.exc_info()[1]


def _rendered(line: Event) -> str:
    try:
        return to_json(line, fallback=str).decode()
    except ValueError:  # lone surrogates in somebody else's text
        return to_json(
            {key: str(value).encode(errors="backslashreplace").decode() for key, value in line.items()}
        ).decode()


def configure_logs(service: str, level: str) -> None:
    """Send the lines of this process, and the warnings of libraries, to stdout as JSON."""
    written = _Written(service)
    _steps[:] = [written]
    structlog.configure(
        processors=_steps,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(getattr(sys, _Lines.stream))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[_name_foreign], processors=[_drop_meta, written])
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
