"""Stock taken once, for good or not at all (spec 4.3, 12.6; reliability P10 to P12)."""

import asyncio
import random
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import failpoints
from kernel.scope import Kyc


async def test_a_reserve_takes_what_it_can_and_says_what_became_of_each_line(market: Any) -> None:
    buyer, vendor, hidden = await market.buyer(), await market.vendor(), await market.vendor()
    fine, scarce = await vendor.lists(), await vendor.lists(inventory={"available_qty": 1})
    idle, unseen = await vendor.lists(is_active=False), await hidden.lists()
    await hidden.becomes(kyc_status=Kyc.SUSPENDED)
    checkout = market.checkout(buyer, (fine, 4), (scarce, 2), (idle, 1), (unseen, 1))

    answer = await checkout.reserves()

    assert answer["outcome"] == "decided"
    assert [line["line_id"] for line in answer["lines"]] == [str(line_id) for line_id in checkout.line_ids]
    assert [(line["reserved"], line["reason"], line["available_qty"]) for line in answer["lines"]] == [
        (True, None, 6),
        (False, "insufficient_inventory", 1),
        (False, "product_inactive", 0),
        (False, "vendor_hidden", 0),
    ]
    assert await market.states(checkout) == ["held", "refused", "refused", "refused"]
    assert (await market.stock(fine), await market.stock(scarce)) == ((6, 4), (1, 0))


async def test_reserve_replay_same_answer(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    fine, scarce = await vendor.lists(), await vendor.lists(inventory={"available_qty": 1})
    checkout = market.checkout(buyer, (fine, 4), (scarce, 2))
    first = await checkout.reserves()
    await vendor.sets_stock(scarce, 100)
    await vendor.owner.patch(f"/api/v1/vendor/products/{fine['id']}", {"moq": 9})
    await vendor.becomes(kyc_status=Kyc.SUSPENDED)

    again = [await checkout.reserves() for _ in range(2)]

    assert again == [first, first]
    assert market.identity.asked == []
    assert await market.stock(fine) == (6, 4)


async def test_the_same_reserve_sent_ten_times_at_once_is_one(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkout = market.checkout(buyer, (product, 3))

    answers = await asyncio.gather(*(checkout.reserves() for _ in range(10)))

    assert all(answer == answers[0] for answer in answers)
    assert await market.stock(product) == (7, 3)


@pytest.mark.plant("read-then-write stock")
async def test_last_unit_two_buyers(market: Any) -> None:
    vendor = await market.vendor()
    product = await vendor.lists(inventory={"available_qty": 3})
    checkouts = [market.checkout(await market.buyer(), (product, 1)) for _ in range(20)]
    shelf = "select from inventory_items where product_id = $1 for update"

    async with market.world.collision(shelf, UUID(product["id"]), waiting=4):
        asked = [asyncio.create_task(checkout.reserves()) for checkout in checkouts]
    answers = await asyncio.gather(*asked)

    lines = [answer["lines"][0] for answer in answers]
    assert sum(line["reserved"] for line in lines) == 3
    assert {line["reason"] for line in lines if not line["reserved"]} == {"insufficient_inventory"}
    assert await market.stock(product) == (0, 3)
    await market.assert_counters_agree()


@pytest.mark.plant("unsorted lines")
async def test_opposite_product_order_no_deadlock(market: Any) -> None:
    vendor = await market.vendor()
    goods = [await vendor.lists(inventory={"available_qty": 30}) for _ in range(4)]
    buyers = [await market.buyer() for _ in range(6)]
    checkouts = []
    for number in range(120):
        picked = random.Random(number).sample(goods, 3)
        checkouts.append(market.checkout(buyers[number % 6], *((product, 1) for product in picked)))
    await market.world.warm_up()

    answers = await asyncio.gather(*(checkout.asks() for checkout in checkouts))

    assert {answer.status_code for answer in answers} == {200}
    assert [await market.stock(product) for product in goods] == [(0, 30)] * 4
    assert await _deadlocks(market) == 0
    await market.assert_counters_agree()


async def test_batches_of_releases_in_opposite_orders_never_deadlock(market: Any) -> None:
    """The inbox applies many events in one transaction; their locks are taken once, in order, at its end."""
    buyer, vendor = await market.buyer(), await market.vendor()
    goods = [await vendor.lists(inventory={"available_qty": 1000}) for _ in range(6)]

    async def trade(seed: int) -> None:
        shuffled = random.Random(seed).sample(goods, len(goods))
        checkouts = [market.checkout(buyer, (product, 1)) for product in shuffled]
        for checkout in checkouts:
            await checkout.reserves()
        await market.hears_at_once(*(checkout.aborted() for checkout in checkouts))

    await asyncio.gather(*(trade(seed) for seed in range(12)))

    assert [await market.stock(product) for product in goods] == [(1000, 0)] * 6
    assert await market.rows("select 1 from inbox_held") == []
    assert await _deadlocks(market) == 0
    await market.assert_counters_agree()


async def _deadlocks(market: Any) -> int:
    row = await market.row("select deadlocks from pg_stat_database where datname = current_database()")
    count: int = row["deadlocks"]
    return count


async def test_a_reserve_that_fails_before_its_commit_leaves_nothing_and_can_be_sent_again(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkout = market.checkout(buyer, (product, 3))
    failpoints.arm("catalog.reserve.before_commit=error@1")

    failed = await checkout.asks()
    after_failure = await market.stock(product)
    again = await checkout.reserves()

    assert (failed.status_code, after_failure) == (500, (10, 0))
    assert (again["lines"][0]["reserved"], await market.stock(product)) == (True, (7, 3))


async def test_a_confirm_that_fails_before_its_commit_is_tried_again(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    checkout = market.checkout(buyer, (await vendor.lists(), 3))
    await checkout.reserves()
    failpoints.arm("catalog.confirm.before_commit=error@1")

    await market.world.hears(checkout.created(uuid4()), may_fail=True)
    await market.world.settle()

    assert await market.states(checkout) == ["confirmed"]


async def test_two_lines_of_one_product_are_refused(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()

    answer = await market.checkout(buyer, (product, 1), (product, 2)).asks()

    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["lines"])


async def test_a_product_named_under_another_vendor_is_not_reserved(market: Any) -> None:
    buyer, vendor, other = await market.buyer(), await market.vendor(), await market.vendor()
    product = {**await vendor.lists(), "vendor_store_id": str(other.store_id)}

    answer = await market.checkout(buyer, (product, 1)).reserves()

    assert (answer["lines"][0]["reserved"], answer["lines"][0]["reason"]) == (False, "product_inactive")


async def test_identity_is_asked_before_a_hidden_vendor_is_refused(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor(kyc_status=Kyc.PENDING_VERIFICATION)
    product = await vendor.lists()
    newer = vendor.snapshot.model_copy(update={"version": 5, "kyc_status": Kyc.VERIFIED})
    market.identity.stores[vendor.store_id] = newer

    answer = await market.checkout(buyer, (product, 1)).reserves()

    assert (answer["lines"][0]["reserved"], market.identity.asked) == (True, [vendor.store_id])


async def test_a_reserve_is_503_and_decides_nothing_when_identity_cannot_confirm_a_refusal(market: Any) -> None:
    buyer, vendor, hidden = await market.buyer(), await market.vendor(), await market.vendor(subscription_override=None)
    fine, unseen = await vendor.lists(), await hidden.lists()
    checkout = market.checkout(buyer, (fine, 1), (unseen, 1))
    market.identity.away = True

    unanswered = await checkout.asks()
    market.identity.away = False
    answer = await checkout.reserves()

    assert (unanswered.status_code, unanswered.json()["error"]["details"]) == (503, {"service": "identity"})
    assert [line["reserved"] for line in answer["lines"]] == [True, False]


async def test_order_created_makes_the_hold_permanent_once(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkout, order_id = market.checkout(buyer, (product, 2)), uuid4()
    await checkout.reserves()

    await market.world.hears(checkout.created(order_id))
    await market.world.settle(twice=True)

    row = await market.row("select state, order_id, held_until from reservations")
    assert tuple(row) == ("confirmed", order_id, None)
    assert await market.stock(product) == (8, 2)


async def test_order_decided_releases_exactly_the_rejected_lines_once(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    kept, rejected = await vendor.lists(), await vendor.lists()
    checkout, order_id = market.checkout(buyer, (kept, 2), (rejected, 3)), uuid4()
    await checkout.reserves()
    await market.world.hears(checkout.created(order_id))

    decided = checkout.decided(order_id, checkout.line_ids[1:])
    await market.world.hears(decided)
    await market.world.hears(decided)

    assert await market.states(checkout) == ["confirmed", "released"]
    assert (await market.stock(kept), await market.stock(rejected)) == ((8, 2), (10, 0))
    await market.assert_counters_agree()


@pytest.mark.parametrize("end", ["canceled", "expired"])
async def test_an_order_that_ends_gives_back_what_it_still_had_once(market: Any, end: str) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    kept, rejected = await vendor.lists(), await vendor.lists()
    checkout, order_id = market.checkout(buyer, (kept, 2), (rejected, 3)), uuid4()
    await checkout.reserves()
    await market.world.hears(checkout.created(order_id))
    await market.world.hears(checkout.decided(order_id, checkout.line_ids[1:]))

    ended = getattr(checkout, end)(order_id, checkout.line_ids)
    await market.world.hears(ended)
    await market.world.hears(ended)
    await market.world.hears(checkout.created(order_id))

    reasons = await market.rows("select state, reason from reservations")
    assert sorted(tuple(row) for row in reasons) == sorted([("released", end), ("released", "decided")])
    assert (await market.stock(kept), await market.stock(rejected)) == ((10, 0), (10, 0))
    await market.assert_counters_agree()


async def test_an_aborted_checkout_gives_everything_back_once(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkout = market.checkout(buyer, (product, 4))
    first = await checkout.reserves()

    await market.world.hears(checkout.aborted())
    await market.world.hears(checkout.aborted())

    assert await market.states(checkout) == ["released"]
    assert await market.stock(product) == (10, 0)
    assert await checkout.reserves() == first
    assert await market.stock(product) == (10, 0)


async def test_a_checkout_aborted_before_it_was_seen_is_never_reserved(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkout = market.checkout(buyer, (product, 4))
    await market.world.hears(checkout.aborted())

    answer = await checkout.reserves()

    assert (answer["outcome"], answer["lines"]) == ("aborted", [])
    assert await market.stock(product) == (10, 0)


async def test_abort_and_reserve_at_once_end_with_free_stock(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists(inventory={"available_qty": 100})
    checkouts = [market.checkout(buyer, (product, 1)) for _ in range(20)]

    pairs = [(checkout.reserves(), market.world.hears(checkout.aborted())) for checkout in checkouts]
    await asyncio.gather(*(one for pair in pairs for one in pair))

    assert await market.stock(product) == (100, 0)
    await market.assert_counters_agree()


async def test_delete_product_in_old_cart_succeeds(market: Any) -> None:
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkout, order_id = market.checkout(buyer, (product, 4)), uuid4()
    await checkout.reserves()

    await vendor.owner.delete(f"/api/v1/vendor/products/{product['id']}")
    await market.world.hears(checkout.created(order_id))
    await market.world.hears(checkout.decided(order_id, checkout.line_ids))

    assert await market.states(checkout) == ["released"]
    assert await market.stock(product) == (10, 0)
    late = await market.checkout(buyer, (product, 1)).reserves()
    assert late["lines"][0]["reason"] == "product_inactive"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "created", "decided", "canceled", "expired", "aborted", "set"]),
        st.integers(0, 3),
        st.integers(1, 6),
    ),
    min_size=5,
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_stock_is_conserved_whatever_happens_in_whatever_order(market: Any, steps: Any) -> None:
    """Available + reserved = what was put in, and reserved = the sum of live reservations; each event comes twice."""
    buyer, vendor = await market.buyer(), await market.vendor()
    product = await vendor.lists()
    checkouts = [market.checkout(buyer, (product, qty)) for qty in (1, 3, 5, 7)]
    orders = [uuid4() for _ in checkouts]
    for step, number, amount in steps:
        await _take_step(market, vendor, product, checkouts[number], orders[number], step, amount)
        await market.assert_counters_agree()


async def _take_step(
    market: Any, vendor: Any, product: Any, checkout: Any, order_id: Any, step: Any, amount: Any
) -> None:
    events = {
        "created": lambda: checkout.created(order_id),
        "decided": lambda: checkout.decided(order_id, checkout.line_ids),
        "canceled": lambda: checkout.canceled(order_id, checkout.line_ids),
        "expired": lambda: checkout.expired(order_id, checkout.line_ids),
        "aborted": checkout.aborted,
    }
    if step == "reserve":
        await checkout.reserves()
    elif step == "set":
        await vendor.sets_stock(product, amount)
    else:
        await market.world.hears(events[step]())
        await market.world.hears(events[step]())
