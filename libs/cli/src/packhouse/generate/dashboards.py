"""Grafana's dashboards (spec 16.4): API, events, orders, media, jobs. Their JSON is made of what stands here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path("deploy/observability/grafana/dashboards")
SOURCE = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, COLUMNS = 12, 8, 2
SCHEMA_VERSION = 39
CHECKOUT = '{method="POST", route=~"/api/v1/checkout.*"}'
SAGA_JOBS = '{job=~"complete-checkouts|sweep-reservations"}'


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph; `lines` maps queries to the names of their series, `unit` is Grafana's word."""

    title: str
    unit: str
    lines: Mapping[str, str]


def quantile(share: float, histogram: str, by: str, selector: str = "") -> str:
    """The query for a quantile of one of our histograms over five minutes."""
    return f"histogram_quantile({share}, sum by ({by}, le) (rate({histogram}_bucket{selector}[5m])))"


def leading(metric: str) -> str:
    """What a service's leading relay tells; a former leader still shows what it saw last."""
    return f"max by (service) ({metric} and on (instance) relay_leads == 1)"


BOARDS: Mapping[str, Sequence[Panel]] = {
    "API": (
        Panel("Requests", "reqps", {"sum by (app) (rate(http_requests_total[5m]))": "{{app}}"}),
        Panel(
            "Share of 5xx",
            "percentunit",
            {
                'sum by (app) (rate(http_requests_total{status=~"5.."}[5m]))'
                " / sum by (app) (rate(http_requests_total[5m]))": "{{app}}"
            },
        ),
        Panel(
            "Slowest twentieth at the gateway",
            "s",
            {
                quantile(0.95, "http_request_duration_seconds", "method, route", '{app="gateway"}'): (
                    "{{method}} {{route}}"
                )
            },
        ),
        Panel(
            "Busiest routes",
            "reqps",
            {'topk(10, sum by (method, route) (rate(http_requests_total{app="gateway"}[5m])))': "{{method}} {{route}}"},
        ),
        Panel(
            "Unauthenticated", "reqps", {"sum by (app, reason) (rate(auth_failures_total[5m]))": "{{app}} {{reason}}"}
        ),
        Panel("Rate-limited", "reqps", {"sum by (policy) (rate(rate_limit_hits_total[5m]))": "{{policy}}"}),
        Panel(
            "Services that did not answer",
            "reqps",
            {
                "sum by (service, kind) (rate(gateway_upstream_failures_total[5m]))": "to {{service}}: {{kind}}",
                "sum by (app, service) (rate(calls_failed_total[5m]))": "{{app}} to {{service}}",
            },
        ),
        Panel("Database connections at work", "percentunit", {"db_pool_in_use / db_pool_max": "{{instance}}"}),
    ),
    "Events": (
        Panel("Relay lag: age of the oldest unpublished event", "s", {leading("outbox_oldest_seconds"): "{{service}}"}),
        Panel("Events to publish", "short", {leading("outbox_pending"): "{{service}}"}),
        Panel("Leading relays (one each)", "short", {"sum by (service) (relay_leads)": "{{service}}"}),
        Panel(
            "Publishing trouble",
            "short",
            {
                "sum by (service) (increase(outbox_publish_errors_total[5m]))": "{{service}}: refused or late",
                'sum by (service) (increase(outbox_returns_total{expected="true"}[5m]))': "{{service}}: no queue",
                leading("outbox_held_aggregates"): "{{service}}: aggregates that wait",
            },
        ),
        Panel(
            "From the fact to its effect, slowest twentieth",
            "s",
            {quantile(0.95, "inbox_lag_seconds", "app, source"): "{{source}} to {{app}}"},
        ),
        Panel("Deliveries", "ops", {"sum by (app, outcome) (rate(inbox_events_total[5m]))": "{{app}}: {{outcome}}"}),
        Panel(
            "Held events",
            "short",
            {
                "max by (app) (inbox_held_events)": "{{app}}: held",
                "max by (app) (inbox_failing_events)": "{{app}}: failing",
                "max by (app) (inbox_gaps)": "{{app}}: gaps",
            },
        ),
        Panel(
            "Dead letters",
            "short",
            {
                'sum by (queue) (rabbitmq_queue_messages{queue=~".+[.]dlq"})': "{{queue}}",
                "sum by (app) (increase(inbox_dead_letters_total[1h]))": "{{app}}: in the last hour",
            },
        ),
    ),
    "Orders": (
        Panel("Checkouts by their end", "ops", {"sum by (outcome) (rate(checkouts_total[5m]))": "{{outcome}}"}),
        Panel("Lines refused by catalog", "ops", {"sum by (reason) (rate(reserve_refusals_total[5m]))": "{{reason}}"}),
        Panel(
            "Checkout, slowest twentieth",
            "s",
            {quantile(0.95, "http_request_duration_seconds", "app", CHECKOUT): "{{app}}"},
        ),
        Panel(
            "Saga: ended by completer and sweeper",
            "s",
            {
                quantile(0.95, "job_duration_seconds", "job", SAGA_JOBS): "{{job}}",
                f"time() - max by (job) (job_last_success_timestamp_seconds{SAGA_JOBS})": "{{job}}: since the last",
            },
        ),
        Panel(
            "Confirmed after an abort (must stay 0)", "short", {"sum(reservation_confirm_after_abort_total)": "lines"}
        ),
        Panel(
            "Calls between services that failed",
            "ops",
            {"sum by (app, service) (rate(calls_failed_total[5m]))": "{{app}} to {{service}}"},
        ),
    ),
    "Media": (
        Panel(
            "Uploads by what came of them",
            "ops",
            {"sum by (outcome) (rate(media_arrivals_total[5m]))": "{{outcome}}"},
        ),
        Panel(
            "What the store tells",
            "ops",
            {
                "sum by (outcome) (rate(storage_notices_total[5m]))": "{{outcome}}",
                "sum by (happened) (rate(storage_notices_empty_total[5m]))": "{{happened}}: not borne out",
            },
        ),
        Panel("Listeners", "short", {"sum(storage_listener_open)": "that pull"}),
        Panel(
            "Must stay 0",
            "short",
            {
                "sum(increase(media_vanished_total[1h]))": "objects gone unasked",
                "sum(increase(media_deletes_given_up_total[1h]))": "objects that do not go",
                "sum by (entity_type) (increase(media_attached_too_late_total[1h]))": "{{entity_type}}: too late",
            },
        ),
    ),
    "Jobs": (
        Panel(
            "Periods since the last good run",
            "short",
            {
                "(time() - max by (app, job) (job_last_success_timestamp_seconds))"
                " / max by (app, job) (job_period_seconds)": "{{app}} {{job}}"
            },
        ),
        Panel(
            "Duration, slowest twentieth", "s", {quantile(0.95, "job_duration_seconds", "app, job"): "{{app}} {{job}}"}
        ),
        Panel("Good runs an hour", "short", {"sum by (app, job) (increase(job_success_total[1h]))": "{{app}} {{job}}"}),
        Panel(
            "Failures an hour",
            "short",
            {
                "sum by (app, job) (increase(job_failure_total[1h]))": "{{app}} {{job}}",
                "sum by (app, job) (increase(job_items_failed_total[1h]))": "{{app}} {{job}}: items",
            },
        ),
    ),
}


def documents() -> dict[Path, str]:
    return {
        FOLDER / f"{name.lower()}.json": json.dumps(_board(name, panels), indent=2, ensure_ascii=False) + "\n"
        for name, panels in BOARDS.items()
    }


def _board(name: str, panels: Sequence[Panel]) -> dict[str, Any]:
    return {
        "uid": f"packhouse-{name.lower()}",
        "title": f"Packhouse: {name}",
        "tags": ["packhouse"],
        "timezone": "utc",
        "refresh": "10s",
        "schemaVersion": SCHEMA_VERSION,
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Packhouse", "tags": ["packhouse"], "keepTime": True}],
        "panels": [_panel(place, panel) for place, panel in enumerate(panels)],
    }


def _panel(place: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(place, COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"w": WIDTH, "h": HEIGHT, "x": column * WIDTH, "y": row * HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": {"showPoints": "never"}}, "overrides": []},
        "options": {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list"}},
        "targets": [
            {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for number, (expr, legend) in enumerate(panel.lines.items())
        ],
    }
