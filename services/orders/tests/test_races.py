"""Two moves of one order at once: one wins, and the other is refused by what the first has made of it (F-C5)."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest

from contracts.orders import OrderCanceled, OrderChanged, OrderDecided, OrderExpired
from kernel.scope import Actor
from orders.domain.states import ORDER_MACHINE, OrderStatus
from orders.usecases.passages import remind_or_expire

ROW = "select from vendor_orders where id = $1 for update"
SHORT, LONG = 10, 200

Deed = Callable[[Any, Any, Any, str], Awaitable[int]]


async def accept(_: Any, __: Any, seller: Any, order_id: str) -> int:
    return int((await seller.decides(order_id, "accept")).status_code)


async def reject(_: Any, __: Any, seller: Any, order_id: str) -> int:
    return int((await seller.decides(order_id, "reject")).status_code)


async def fulfill(_: Any, __: Any, seller: Any, order_id: str) -> int:
    return int((await seller.fulfills(order_id)).status_code)


async def cancel(_: Any, buyer: Any, __: Any, order_id: str) -> int:
    return int((await buyer.cancels(order_id)).status_code)


async def cancel_by_admin(market: Any, _: Any, __: Any, order_id: str) -> int:
    return int((await market.admin_cancels(order_id)).status_code)


async def expire(market: Any, _: Any, __: Any, order_id: str) -> int:
    """The clock asks nobody: it does what it still owes. Nothing, once somebody else was faster, counts as refused."""
    async with market.world.db.transaction(actor=Actor.job("expire-orders"), request_id="race") as tx:
        await remind_or_expire(tx, UUID(order_id))
    async with market.world.db.reader() as db:
        ended = await db.fetchval(
            "select exists (select from order_status_history where order_id = $1 and what = 'expired')", UUID(order_id)
        )
    return 200 if ended else 422


OF_PENDING: tuple[Deed, ...] = (accept, reject, cancel, cancel_by_admin, expire)
OF_ACCEPTED: tuple[Deed, ...] = (fulfill, reject, cancel, cancel_by_admin)


async def expiring(market: Any, order_id: str) -> None:
    """The order has been reminded of, and its time is over."""
    async with market.world.db.reader() as db:
        await db.fetch(
            "update vendor_orders set nudge_due_at = created_at, nudged_at = created_at, expires_at = created_at "
            "where id = $1",
            UUID(order_id),
        )


async def raced(market: Any, buyer: Any, seller: Any, order_id: str, deeds: tuple[Deed, Deed]) -> list[int]:
    """Both wait for the order's row before either has it; what each was answered."""
    async with market.world.collision(ROW, UUID(order_id), waiting=2):
        tasks = [asyncio.create_task(deed(market, buyer, seller, order_id)) for deed in deeds]
    return list(await asyncio.gather(*tasks))


async def assert_lawful(market: Any, order_id: str) -> None:
    """The order's moves are a chain of what the table has, to where it stands; its amounts are those of its lines."""
    lawful = {(before, after) for (before, _), after in ORDER_MACHINE.table.items()}
    async with market.world.db.reader() as db:
        moves = await db.fetch(
            "select from_status, to_status from order_status_history where order_id = $1 order by at, id",
            UUID(order_id),
        )
        sums = await db.fetchrow(
            "select status, subtotal_cents, (select coalesce(sum(line_subtotal_cents), 0) from order_line_items "
            "where order_id = $1) as lines_cents from vendor_orders where id = $1",
            UUID(order_id),
        )
    assert {(OrderStatus(row[0]), OrderStatus(row[1])) for row in moves[1:]} <= lawful
    assert [row[0] for row in moves] == [None, *(row[1] for row in moves[:-1])], "each move starts where one ended"
    assert moves[-1][1] == sums["status"]
    assert sums["subtotal_cents"] == sums["lines_cents"]


async def assert_versions_follow(market: Any) -> None:
    """Each order has told of itself in versions 1, 2, 3 and so on, each once."""
    told: defaultdict[UUID, list[int]] = defaultdict(list)
    for event in await market.world.emitted(OrderChanged):
        told[event.order_id].append(event.version)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in told.values()), told


async def assert_no_unit_twice(market: Any, product: Any) -> None:
    """Each line is given back at most once, by whichever event ended it, and all stock is there again or still held."""
    returned = [line for event in await market.world.emitted(OrderDecided) for line in event.rejected_line_ids]
    for kind in (OrderCanceled, OrderExpired):
        returned += [line for event in await market.world.emitted(kind) for line in event.released_line_ids]
    assert len(returned) == len(set(returned))
    await market.gives_back()
    assert product.available + sum(market.catalog.held.values()) == 1000


def pairs(start: OrderStatus, deeds: tuple[Deed, ...]) -> list[Any]:
    return [
        pytest.param(start, pair, id="-".join((start.value, *(deed.__name__ for deed in pair))))
        for pair in combinations(deeds, 2)
    ]


PAIRS = pairs(OrderStatus.CREATED_PENDING, OF_PENDING) + pairs(OrderStatus.ACCEPTED, OF_ACCEPTED)
STANDS = {
    "accept": "accepted",
    "reject": "rejected",
    "fulfill": "hold",
    "cancel": "canceled",
    "cancel_by_admin": "canceled",
    "expire": "expired",
}


async def race_pairs(market: Any, buyer: Any, start: OrderStatus, pair: tuple[Deed, Deed], rounds: int) -> None:
    flower = market.product(market.vendor())
    seller = market.seller(flower.vendor)
    for _ in range(rounds):
        order_id = (await market.order(buyer, (flower, 1)))["order_id"]
        if start is OrderStatus.ACCEPTED:
            await seller.decides(order_id, "accept")
        elif expire in pair:
            await expiring(market, order_id)
        statuses = await raced(market, buyer, seller, order_id, pair)
        await assert_one_outcome(market, buyer, order_id, pair, statuses)
    await assert_versions_follow(market)
    await assert_no_unit_twice(market, flower)


async def assert_one_outcome(
    market: Any, buyer: Any, order_id: str, pair: tuple[Deed, Deed], statuses: list[int]
) -> None:
    """One winner, whose word stands, and one 422; two succeed only where a cancel follows, or the same word."""
    assert set(statuses) <= {200, 422}, statuses
    assert 200 in statuses
    await assert_lawful(market, order_id)
    status = (await buyer.sees(order_id))["order"]["status"]
    names = {deed.__name__ for deed in pair}
    if 422 in statuses:
        assert status == STANDS[pair[statuses.index(200)].__name__]
        return
    assert names & {"cancel", "cancel_by_admin"}, "only a cancel may follow what another has done"
    assert "expire" not in names, "what has ended is not canceled, nor ended once more"
    assert status == "canceled"


@pytest.mark.parametrize(("start", "pair"), PAIRS)
async def test_racing_moves_have_one_winner(market: Any, buyer: Any, start: OrderStatus, pair: Any) -> None:
    await race_pairs(market, buyer, start, pair, SHORT)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("start", "pair"), PAIRS)
async def test_racing_moves_have_one_winner_two_hundred_times(
    market: Any, buyer: Any, start: OrderStatus, pair: Any
) -> None:
    await race_pairs(market, buyer, start, pair, LONG)


@pytest.mark.plant("moves of an order without its lock")
async def test_cancel_races_decision_and_pickup(market: Any, buyer: Any) -> None:
    """The pick-up is logistics' word and comes with it; until then a cancel races what the vendor may do."""
    flower = market.product(market.vendor())
    seller = market.seller(flower.vendor)
    order_id = (await market.order(buyer, (flower, 3)))["order_id"]
    async with market.world.collision(ROW, UUID(order_id), waiting=2) as arrived:
        first = asyncio.create_task(cancel(market, buyer, seller, order_id))
        await arrived(1)
        second = asyncio.create_task(accept(market, buyer, seller, order_id))
    assert [await first, await second] == [200, 422]
    assert (await buyer.sees(order_id))["order"]["status"] == "canceled"
    versions = [event.version for event in await market.world.emitted(OrderChanged)]
    assert versions == [1, 2], "the loser has told nothing"
    await assert_no_unit_twice(market, flower)
