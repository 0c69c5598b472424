"""One trace id goes from the gateway's answer through every process a checkout touches."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from collector import Collector, collecting
from markets import Market, at_rest

from packhouse.eventually import eventually
from packhouse.stack import Stack

SERVICES = ("gateway", "orders", "catalog")


def _told(stack: Stack, service: str) -> list[dict[str, Any]]:
    """The log of a service, a line at a time."""
    return [json.loads(line) for line in stack.process(service).log.splitlines() if line.startswith("{")]


async def test_one_trace_id_goes_through_gateway_orders_catalog_relay_and_consumer(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    await market.lists(market.vendors[0], "TRACE", units=5)
    cart = await market.filled_cart(market.buyers[0], {"TRACE": 1})

    answer = await market.buyers[0].checks_out(cart)
    await eventually(lambda: at_rest(database), within=30)

    trace_id = answer.headers["traceresponse"].split("-")[1]
    told = {service: _told(stack, service) for service in ("gateway", "orders", "catalog")}
    events = {
        (service, line["event"])
        for service, lines in told.items()
        for line in lines
        if trace_id in (line.get("trace_id"), *line.get("trace_ids", ()))
    }
    assert {(service, "request.complete") for service in told} <= events
    assert ("orders", "relay.published") in events
    assert ("catalog", "event.applied") in events
    applied = [line for line in told["catalog"] if line["event"] == "event.applied" and line["trace_id"] == trace_id]
    assert {line["request_id"] for line in applied} == {answer.headers["X-Request-Id"]}


async def test_the_trace_of_a_checkout_shows_every_process_it_went_through(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    """Gateway, orders, catalog, database, relay, broker and consumer, drawn from what they send to a collector."""
    await market.lists(market.vendors[0], "PICTURE", units=5)
    cart = await market.filled_cart(market.buyers[0], {"PICTURE": 1})
    with watched(stack) as collector:
        answer = await market.buyers[0].checks_out(cart)
        trace_id = answer.headers["traceresponse"].split("-")[1]
        await eventually(lambda: at_rest(database), within=30)
        await eventually(lambda: _is_whole(collector, trace_id), within=30)

    print(f"trace {trace_id}\n{collector.picture(trace_id)}")
    spans = {one.id: one for one in collector.trace(trace_id)}
    roots = {one.name for one in spans.values() if one.parent not in spans}
    assert roots == {"POST /api/v1/checkout"}


@contextmanager
def watched(stack: Stack) -> Iterator[Collector]:
    """The stack's services send their spans meanwhile."""
    with collecting() as collector:
        for service in SERVICES:
            stack.restart(service, environment={"PACKHOUSE_OTLP_ENDPOINT": collector.url})
        try:
            yield collector
        finally:
            for service in SERVICES:
                stack.restart(service, environment={"PACKHOUSE_OTLP_ENDPOINT": ""})


async def _is_whole(collector: Collector, trace_id: str) -> bool:
    seen = {(one.service, one.name) for one in collector.trace(trace_id)}
    return seen >= {
        ("gateway", "POST /api/v1/checkout"),
        ("orders", "POST /api/v1/checkout"),
        ("orders", "call"),
        ("orders", "postgresql"),
        ("catalog", "POST /internal/v1/reservations"),
        ("catalog", "postgresql"),
        ("orders", "publish orders.order_created.v1"),
        ("catalog", "apply orders.order_created.v1"),
    }
