"""Holds that outlive their time, and the proof that counters are what their rows say (spec 4.3)."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.orders import ResolveAnswer
from kernel.scope import Actor


async def test_a_hold_within_its_time_is_not_put_to_orders(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    await market.checkout(buyer, (await vendor.lists(), 1)).reserves()

    await market.sweep()

    assert market.resolver.asked == []


async def overdue(market: Any, *, lines: Any = 1) -> Any:
    buyer, vendor = await market.buyer(), await market.vendor()
    checkout = market.checkout(buyer, *[(await vendor.lists(), 2) for _ in range(lines)])
    await checkout.reserves()
    market.turn_clock(minutes=16)
    return checkout


async def test_sweeper_never_releases_a_committed_checkout(market: Any) -> None:
    checkout, order_id = await overdue(market), uuid4()
    orders = dict.fromkeys(checkout.line_ids, order_id)
    market.resolver.answers[checkout.checkout_id] = ResolveAnswer(outcome="committed", order_ids=orders)

    await market.sweep()

    row = await market.row("select state, order_id from reservations")
    assert (tuple(row), market.resolver.asked) == (("confirmed", order_id), [checkout.checkout_id])


async def test_the_sweeper_releases_what_a_committed_checkout_no_longer_wants(market: Any) -> None:
    checkout, order_id = await overdue(market, lines=2), uuid4()
    wanted = {checkout.line_ids[0]: order_id}
    market.resolver.answers[checkout.checkout_id] = ResolveAnswer(outcome="committed", order_ids=wanted)

    await market.sweep()

    assert await market.states(checkout) == ["confirmed", "released"]
    await market.assert_counters_agree()


async def test_the_sweeper_releases_an_aborted_checkout(market: Any) -> None:
    checkout = await overdue(market)

    await market.sweep()

    assert await market.states(checkout) == ["released"]
    row = await market.row("select available_qty, reserved_qty from inventory_items")
    assert tuple(row) == (10, 0)


@pytest.mark.parametrize("orders_is", ["open", "away"])
async def test_the_sweeper_waits_five_minutes_more_when_it_hears_nothing_final(market: Any, orders_is: Any) -> None:
    checkout = await overdue(market)
    market.resolver.answers[checkout.checkout_id] = ResolveAnswer(outcome="open")
    market.resolver.away = orders_is == "away"

    await market.sweep()
    await market.sweep()
    asked_at_once = len(market.resolver.asked)
    market.resolver.away = False
    market.turn_clock(minutes=6)
    await market.sweep()

    assert await market.states(checkout) == ["held"]
    assert len(market.resolver.asked) == asked_at_once + 1


async def test_a_confirm_that_meets_an_aborted_reservation_is_counted_and_changes_nothing(market: Any) -> None:
    checkout = await overdue(market)
    await market.sweep()

    await market.world.hears(checkout.created(uuid4()))

    assert await market.states(checkout) == ["released"]
    assert market.metric("reservation_confirm_after_abort_total") >= 1


async def test_reconcile_finds_nothing_until_a_counter_drifts_and_then_names_it(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product, other = await vendor.lists(), await vendor.lists()
    await market.checkout(buyer, (product, 2), (other, 1)).reserves()
    clean = await market.reconcile()
    async with market.world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update inventory_items set reserved_qty = 1 where product_id = $1", UUID(product["id"]))

    drifted = await market.reconcile()

    assert clean == (0, ["2 products, 0 drifts"])
    assert drifted[0] == 1
    assert drifted[1][-1] == "2 products, 2 drifts"
    assert all(product["id"] in line and "1 instead of 2" in line for line in drifted[1][:-1])
