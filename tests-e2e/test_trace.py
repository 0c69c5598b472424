"""One trace id goes from the gateway's answer through every process a checkout touches."""

import json
from typing import Any

import asyncpg
from markets import Market, at_rest

from packhouse.eventually import eventually
from packhouse.stack import Stack


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
