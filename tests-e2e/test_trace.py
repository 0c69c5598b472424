"""One trace id goes from the gateway's answer through every process a checkout touches."""

import json
from typing import Any

import asyncpg
from markets import Market, at_rest

from packhouse.eventually import eventually
from packhouse.stack import Stack


def _lines(stack: Stack, service: str, request_id: str) -> list[dict[str, Any]]:
    told = (json.loads(line) for line in stack.process(service).log.splitlines() if line.startswith("{"))
    return [line for line in told if line.get("request_id") == request_id]


async def test_one_trace_id_goes_through_gateway_orders_catalog_relay_and_consumer(
    stack: Stack, market: Market, database: asyncpg.Connection
) -> None:
    await market.lists(market.vendors[0], "TRACE", units=5)
    cart = await market.filled_cart(market.buyers[0], {"TRACE": 1})

    answer = await market.buyers[0].checks_out(cart)
    await eventually(lambda: at_rest(database), within=30)

    request_id = answer.headers["X-Request-Id"]
    told = {service: _lines(stack, service, request_id) for service in ("gateway", "orders", "catalog")}
    traces = {line["trace_id"] for lines in told.values() for line in lines}
    assert len(traces) == 1
    events = {(service, line["event"]) for service, lines in told.items() for line in lines}
    assert ("gateway", "request.complete") in events
    assert ("orders", "request.complete") in events
    assert ("catalog", "request.complete") in events
    assert ("orders", "event.published") in events
    assert ("catalog", "event.applied") in events
