"""Every process is asked to end and started again, one after another, while people trade (F-D16)."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import asyncpg
import httpx
import pytest
from markets import Market, a_key, at_rest, books_balance

from packhouse.actors import Buyer, Reply
from packhouse.eventually import eventually
from packhouse.instances import Instance
from packhouse.stack import Stack
from testkit.reliability import Reliability, Tally

DRAINED_WITHIN = 10.0
READY_WITHIN = 240.0
AGAIN_SECONDS, THINKING_SECONDS = 0.2, 0.05
NOT_SENT = {"ClientConnectorError", "ConnectionTimeoutError"}
"""Failures of the gateway's that happened before the service had seen anything of the request."""


@dataclass
class Trade:
    """What happened to each request: its answer, or that nobody listened, or that it was cut."""

    answers: list[Reply] = field(default_factory=list)
    unheard: int = 0
    cut: list[str] = field(default_factory=list)
    ordered: set[str] = field(default_factory=set)
    over: bool = False

    async def sends(self, ask: Awaitable[Reply]) -> Reply | None:
        """None when there was no answer. A connection that is refused has carried no request."""
        try:
            answer = await ask
        except httpx.ConnectError:
            self.unheard += 1
        except httpx.TransportError as error:
            self.cut.append(f"{type(error).__name__}: {error}")
        else:
            self.answers.append(answer)
            return answer
        return None

    async def until_ok(self, ask: Callable[[], Awaitable[Reply]]) -> Reply:
        """As a client does that was told to come again: the same request, with the same key."""
        while True:
            answer = await self.sends(ask())
            if answer is not None and (answer.ok or "Retry-After" not in answer.headers):
                return answer
            await asyncio.sleep(AGAIN_SECONDS)

    async def buys(self, buyer: Buyer, market: Market, sku: str) -> None:
        while not self.over:
            cart = (await self.until_ok(lambda: buyer.fills_cart({market.line(sku): 1}))).expect(200)["id"]
            key = a_key()
            done = await self.until_ok(lambda: buyer.checks_out(cart, key=key))  # noqa: B023  asked in this round
            self.ordered |= {order["order_id"] for order in done.expect(201)["vendor_orders"]}
            await asyncio.sleep(THINKING_SECONDS)

    async def browses(self, buyer: Buyer) -> None:
        while not self.over:
            await self.sends(buyer.get("/api/v1/products", state="OK"))
            await self.sends(buyer.get("/api/v1/stores/me"))
            await asyncio.sleep(THINKING_SECONDS)

    @property
    def unstated(self) -> list[Reply]:
        """Failures that the documentation does not know."""
        return [one for one in self.answers if one.status >= 500 and not _is_stated(one)]

    @property
    def refused(self) -> int:
        return sum(one.status == 503 for one in self.answers)


def _is_stated(answer: Reply) -> bool:
    return answer.status == 503 and answer.error.get("code") == "DEPENDENCY_ERROR" and "Retry-After" in answer.headers


@asynccontextmanager
async def trade_going_on(market: Market, sku: str) -> AsyncIterator[Trade]:
    trade = Trade()
    people = [trade.buys(buyer, market, sku) for buyer in market.buyers]
    working = [asyncio.create_task(one) for one in (*people, *(trade.browses(buyer) for buyer in market.buyers))]
    try:
        yield trade
    finally:
        trade.over = True
        await asyncio.gather(*working)


async def restarted(instance: Instance) -> tuple[float, float]:
    """Seconds that it needed to end, and until it was ready again."""
    began = time.monotonic()
    await asyncio.to_thread(instance.stop)
    ended = time.monotonic()
    await asyncio.to_thread(instance.start)
    await asyncio.to_thread(instance.wait_ready, READY_WITHIN)
    return ended - began, time.monotonic() - began


@contextmanager
def instances(stack: Stack, count: int) -> Iterator[None]:
    """So many API processes of every service while the block runs."""
    for service in stack.services if count > 1 else ():
        stack.scale(service, count)
    try:
        yield
    finally:
        for service in stack.services if count > 1 else ():
            stack.scale(service, 1)


def lines_logged(stack: Stack) -> dict[str, int]:
    """By the gateways so far."""
    return {one.name: one.log.count("\n") for one in stack.processes("gateway")}


def upstreams_cut(stack: Stack, logged: Mapping[str, int]) -> list[str]:
    """Requests that a service had seen and did not answer, as the gateways have logged them since."""
    since = [line for one in stack.processes("gateway") for line in one.log.splitlines()[logged[one.name] :]]
    failed = [json.loads(line) for line in since if '"upstream.failed"' in line]
    return [f"{line['service']}: {line['error']}" for line in failed if line["error"] not in NOT_SENT]


@pytest.mark.parametrize(
    ("count", "rounds"),
    [
        pytest.param(1, 1, marks=pytest.mark.timeout(600)),
        pytest.param(2, 3, marks=[pytest.mark.long, pytest.mark.timeout(2400)]),
    ],
)
async def test_a_rolling_restart_of_every_process_cuts_no_request_and_loses_nothing(
    stack: Stack,
    market: Market,
    database: asyncpg.Connection,
    reliability: Reliability,
    count: int,
    rounds: int,
) -> None:
    """Without a second process of a service, requests for it are refused as documented until it is back."""
    await market.lists(market.vendors[0], "ROLLING", units=100_000)
    with instances(stack, count):
        logged = lines_logged(stack)
        ends, returns = [], []
        async with trade_going_on(market, "ROLLING") as trade:
            for instance in stack.processes() * rounds:
                ended, returned = await restarted(instance)
                ends.append(ended)
                returns.append(returned)
        await eventually(lambda: at_rest(database), within=60)
        cut = [*trade.cut, *upstreams_cut(stack, logged)]

    rows = await database.fetch(
        "select id from orders.vendor_orders where vendor_store_id = $1::uuid", market.vendors[0].store_id
    )
    kept = {str(row["id"]) for row in rows}
    reliability.record(
        "F-D16",
        faults=len(ends),
        at_least=len(stack.services) * count * rounds,
        tally=Tally(lost=len(trade.ordered - kept), doubled=len(kept - trade.ordered)),
        recovery_seconds=max(returns),
        requests=len(trade.answers),
        requests_cut=len(cut),
        refused=trade.refused,
        unheard=trade.unheard,
        drained_within_s=round(max(ends), 2),
    )
    assert trade.unstated == []
    assert cut == []
    assert max(ends) <= DRAINED_WITHIN
    await books_balance(database)
