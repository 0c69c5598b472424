"""Whatever dies and whenever: a checkout ends whole or undone, and each retry hears its one answer (spec 12.6, P14)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis import failpoints
from contracts.catalog import ReserveCommand
from contracts.orders import CheckoutAborted, OrderCreated

LAPSED = timedelta(seconds=31)
"""Longer than an attempt's claim and an idempotency lease."""

STEPS = (
    "idempotency.claimed",
    "orders.attempt.before_commit",
    "orders.attempt.after_commit",
    "orders.reserve.before_call",
    "orders.reserve.after_answer",
    "orders.checkout.before_commit",
    "orders.checkout.after_commit",
)


async def dies_at(step: str, buyer: Any, cart_id: str) -> httpx.Response:
    """A checkout with key `k` whose process fails at this step."""
    failpoints.arm(f"{step}=error@1")
    answer: httpx.Response = await buyer.checks_out(cart_id, key="k")
    failpoints.arm("")
    return answer


@pytest.mark.parametrize("step", STEPS)
async def test_crash_at_every_saga_step_then_retry(market: Any, buyer: Any, step: str) -> None:
    flower = market.product(market.vendor(), available=10)
    cart = await buyer.wants((flower, 4))
    assert (await dies_at(step, buyer, cart["id"])).status_code == 500
    market.world.clock.turn(LAPSED)
    retry = await buyer.checks_out(cart["id"], key="k")
    again = await buyer.checks_out(cart["id"], key="k")
    assert retry.status_code == 201, retry.text
    assert again.json() == retry.json()
    assert (await market.order_count(), await market.attempts(), flower.available) == (1, ["committed"], 6)
    assert len(await market.world.emitted(OrderCreated)) == 1


@pytest.mark.parametrize("step", STEPS[2:6])
async def test_the_completer_finishes_what_a_dead_process_left(market: Any, buyer: Any, step: str) -> None:
    flower = market.product(market.vendor(), available=10)
    cart = await buyer.wants((flower, 4))
    await dies_at(step, buyer, cart["id"])
    await market.completer_runs()
    assert await market.order_count() == 0, "the claim has not lapsed, so its holder may be alive"
    market.world.clock.turn(LAPSED)
    outcome = await market.completer_runs()
    assert (outcome.succeeded, outcome.items_failed) == (True, 0)
    assert (await market.order_count(), flower.available) == (1, 6)
    replay = await buyer.checks_out(cart["id"], key="k")
    assert (replay.status_code, replay.headers["idempotency-replayed"]) == (201, "true")
    [event] = await market.world.emitted(OrderCreated)
    assert replay.json()["data"]["vendor_orders"][0]["order_id"] == str(event.order_id)
    path = f"/api/v1/checkout/{cart['id']}/confirmation"
    assert (await buyer.caller.get(path)).json()["data"]["checkout_group_id"] == str(event.checkout_group_id)


@pytest.mark.parametrize("step", ["orders.abort.before_commit", "orders.abort.after_commit"])
async def test_a_refusal_that_dies_on_its_way_is_told_all_the_same(market: Any, buyer: Any, step: str) -> None:
    flower = market.product(market.vendor(), available=1)
    cart = await buyer.wants((flower, 1))
    flower.available = 0
    await dies_at(step, buyer, cart["id"])
    market.world.clock.turn(LAPSED)
    await market.completer_runs()
    replay = await buyer.checks_out(cart["id"], key="k")
    assert (replay.status_code, replay.json()["error"]["reason"]) == (409, "nothing_reservable")
    assert replay.headers["idempotency-replayed"] == "true"
    assert len(await market.world.emitted(CheckoutAborted)) == 1


async def test_a_commit_whose_confirmation_is_lost_is_answered_from_the_record(market: Any, buyer: Any) -> None:
    cart = await buyer.wants((market.product(market.vendor()), 1))
    answer = await dies_at("outbox.after_commit", buyer, cart["id"])
    [event] = await market.world.emitted(OrderCreated)
    assert (answer.status_code, answer.headers["idempotency-replayed"]) == (201, "true")
    assert answer.json()["data"]["vendor_orders"][0]["order_id"] == str(event.order_id)


async def test_no_answer_is_503_and_the_same_key_finishes_with_what_was_reserved(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), available=10)
    cart = await buyer.wants((flower, 4))
    market.catalog.forgetful = True
    answer = await buyer.checks_out(cart["id"], key="k")
    assert (answer.status_code, answer.json()["error"]["details"]) == (503, {"service": "catalog"})
    assert answer.headers["retry-after"]
    other = await buyer.checks_out(cart["id"], key="another")
    assert (other.status_code, other.json()["error"]["reason"]) == (409, "attempt_in_progress")
    assert other.headers["retry-after"]
    market.catalog.forgetful = False
    assert (await buyer.checks_out(cart["id"], key="k")).status_code == 201
    assert flower.available == 6


async def test_a_resumed_checkout_keeps_its_prices_although_the_quote_has_expired(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    market.world.clock.turn(timedelta(minutes=14, seconds=50))
    await dies_at("orders.attempt.after_commit", buyer, cart["id"])
    market.world.clock.turn(LAPSED)
    retry = await buyer.checks_out(cart["id"], key="k")
    assert (retry.status_code, retry.json()["data"]["vendor_orders"][0]["total_cents"]) == (201, 1500)


async def test_the_completer_gives_up_after_ten_minutes_and_frees_everything(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), available=10)
    cart = await buyer.wants((flower, 4))
    market.catalog.forgetful = True
    await buyer.checks_out(cart["id"], key="k")
    assert (await market.completer_runs()).items_failed == 1
    assert await market.attempts() == ["reserving"]
    market.world.clock.turn(timedelta(minutes=10))
    assert (await market.completer_runs()).items_failed == 0
    [aborted] = await market.world.emitted(CheckoutAborted)
    assert await market.attempts() == ["aborted"]
    assert set(aborted.line_ids) == set(market.catalog.held)
    market.catalog.forgetful = False
    assert (await buyer.checks_out(cart["id"], key="k")).status_code == 201, "the client's key was never answered"


async def test_once_catalog_is_away_the_completer_asks_it_only_once_a_run(market: Any) -> None:
    flower = market.product(market.vendor())
    for shopper in (market.member(), market.member(), market.member()):
        cart = await shopper.wants((flower, 1))
        await dies_at("orders.attempt.after_commit", shopper, cart["id"])
    market.world.clock.turn(LAPSED)
    market.catalog.forgetful = True
    assert (await market.completer_runs()).items_failed == 1
    assert market.catalog.reserve_calls == 1
    market.catalog.forgetful = False
    assert (await market.completer_runs()).items_failed == 0
    assert await market.order_count() == 3


async def test_resolve_tells_open_committed_aborted_and_unknown_apart(market: Any, buyer: Any) -> None:
    flower, sold_out = market.product(market.vendor()), market.product(market.vendor())
    cart = await buyer.wants((flower, 1), (sold_out, 1))
    sold_out.available = 0
    await dies_at("orders.reserve.after_answer", buyer, cart["id"])
    [checkout_id] = market.catalog.answers
    assert await market.resolves(checkout_id) == {"outcome": "open", "order_ids": {}}
    market.world.clock.turn(LAPSED)
    await market.completer_runs()
    created = {event.vendor_store_id: event for event in await market.world.emitted(OrderCreated)}
    kept = created[flower.vendor.id]
    assert await market.resolves(checkout_id) == {
        "outcome": "committed",
        "order_ids": {str(kept.items[0].line_id): str(kept.order_id)},
    }
    assert await market.resolves(uuid4()) == {"outcome": "aborted", "order_ids": {}}


async def test_a_lapsed_attempt_is_aborted_by_the_question_and_never_commits(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    cart = await buyer.wants((flower, 1))
    await dies_at("orders.reserve.after_answer", buyer, cart["id"])
    [checkout_id] = market.catalog.answers
    market.world.clock.turn(LAPSED)
    assert (await market.resolves(checkout_id))["outcome"] == "aborted"
    assert (await market.resolves(checkout_id))["outcome"] == "aborted"
    await market.completer_runs()
    assert (await market.order_count(), await market.attempts()) == (0, ["aborted"])
    [event] = await market.world.emitted(CheckoutAborted)
    assert event.checkout_id == checkout_id
    assert (await buyer.checks_out(cart["id"], key="k")).status_code == 201
    assert await market.attempts() == ["aborted", "committed"]


async def test_an_id_that_was_resolved_before_it_existed_can_never_be_an_attempt(market: Any) -> None:
    buried = uuid4()
    assert (await market.resolves(buried))["outcome"] == "aborted"
    async with market.world.db.reader() as db:
        states = await db.fetch("select state from checkout_attempts where id = $1", buried)
    assert [row["state"] for row in states] == ["aborted"]


async def test_a_commit_that_comes_after_the_abort_finds_nothing_to_commit(market: Any, buyer: Any) -> None:
    cart = await buyer.wants((market.product(market.vendor()), 1))

    async def catalog_asks(command: ReserveCommand) -> None:
        market.world.clock.turn(LAPSED)
        assert (await market.resolves(command.checkout_id))["outcome"] == "aborted"

    market.catalog.meanwhile = catalog_asks
    answer = await buyer.checks_out(cart["id"])
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "attempt_aborted")
    assert (await market.order_count(), await market.attempts()) == (0, ["aborted"])
    assert (await buyer.caller.get("/api/v1/cart")).status_code == 200


@pytest.mark.parametrize("first", ["the question", "the commit"])
async def test_commit_and_question_meet_at_the_attempt_and_agree(market: Any, buyer: Any, first: str) -> None:
    """The hold has run out while its confirmation is under way (F-C6): stock is sold, or free, and never both."""
    flower = market.product(market.vendor(), available=10)
    cart = await buyer.wants((flower, 4))
    reached, go = asyncio.Event(), asyncio.Event()

    async def held_up(command: ReserveCommand) -> None:
        market.catalog.meanwhile = None
        reached.set()
        await go.wait()

    market.catalog.meanwhile = held_up
    checkout = asyncio.create_task(buyer.checks_out(cart["id"]))
    await reached.wait()
    market.world.clock.turn(LAPSED)
    [checkout_id] = market.catalog.answers
    lock = "select from checkout_attempts where id = $1 for update"
    async with market.world.collision(lock, checkout_id, waiting=2) as arrived:
        if first == "the commit":
            go.set()
            await arrived(1)
        question = asyncio.create_task(market.resolves(checkout_id))
        if first == "the question":
            await arrived(1)
            go.set()

    answer, resolved = await checkout, await question
    for event in await market.world.emitted(CheckoutAborted):
        market.catalog.release(event.line_ids)
    if first == "the commit":
        assert (answer.status_code, resolved["outcome"], len(resolved["order_ids"])) == (201, "committed", 1)
        assert (await market.order_count(), flower.available) == (1, 6)
    else:
        assert (answer.json()["error"]["reason"], resolved["outcome"]) == ("attempt_aborted", "aborted")
        assert (await market.order_count(), flower.available) == (0, 10)


async def test_two_who_finish_one_attempt_make_one_group_and_one_answer(market: Any, buyer: Any) -> None:
    cart = await buyer.wants((market.product(market.vendor()), 1))

    async def completer_overtakes(_: ReserveCommand) -> None:
        market.catalog.meanwhile = None
        market.world.clock.turn(timedelta(seconds=21))
        await market.completer_runs()

    market.catalog.meanwhile = completer_overtakes
    answer = await buyer.checks_out(cart["id"])
    [event] = await market.world.emitted(OrderCreated)
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"]["vendor_orders"][0]["order_id"] == str(event.order_id)
    assert await market.attempts() == ["committed"]


async def test_a_store_nobody_told_of_is_asked_of_its_owner_once(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor())
    assert await buyer.buys((flower, 1))
    market.identity.stores.clear()
    assert await buyer.buys((flower, 1))
    stranger = market.member()
    market.identity.stores.clear()
    cart = await stranger.wants((flower, 1))
    assert (await stranger.checks_out(cart["id"])).status_code == 403


async def test_only_catalog_may_resolve(market: Any) -> None:
    path = f"/internal/v1/checkouts/{UUID(int=1)}/resolve"
    assert (await market.world.service_caller("identity").post(path)).status_code == 403
    assert (await market.member().caller.post(path)).status_code == 401
