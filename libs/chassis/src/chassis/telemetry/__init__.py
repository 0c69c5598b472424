"""Logs, traces and metrics of one process. People and secrets never reach any of them (spec 16.3)."""

from chassis.telemetry.costs import costed, count_statement
from chassis.telemetry.logs import bound, get_logger
from chassis.telemetry.metrics import counter, gauge, histogram
from chassis.telemetry.setup import configure, shut_down
from chassis.telemetry.traces import continue_trace, current_traceparent, publishing, span

__all__ = [
    "bound",
    "configure",
    "continue_trace",
    "costed",
    "count_statement",
    "counter",
    "current_traceparent",
    "gauge",
    "get_logger",
    "histogram",
    "publishing",
    "shut_down",
    "span",
]
