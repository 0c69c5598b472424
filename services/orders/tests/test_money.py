"""Money of a whole order's life as one property: lines are the total, and no cent is lost or made (spec 13, F-C12)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalog import QuoteAnswer, QuotedItem, QuotedVendor
from kernel.money import CENTS_MAX, percent_of
from kernel.refusal import Refusal
from orders.domain import passage
from orders.domain.checkout import VendorPart, settle
from orders.domain.decision import Decision, decide_line, decide_order
from orders.domain.order import Line, VendorOrder
from orders.domain.retry import part_again
from orders.domain.states import LineStatus, OrderStatus

from .made import NOW
from .made import line as made_line
from .made import order as made_order

PERCENTS = st.decimals(min_value=0, max_value=100, places=4, allow_nan=False, allow_infinity=False)


@st.composite
def baskets(draw: st.DrawFn) -> tuple[Line, ...]:
    """Lines as a quote makes them: any price, any quantity, a discount with four places."""
    return tuple(draw(st.lists(lines(), min_size=1, max_size=6)))


@st.composite
def lines(draw: st.DrawFn) -> Line:
    qty = draw(st.integers(1, 100_000))
    price = draw(st.integers(0, CENTS_MAX // 20 // qty))
    discount = percent_of(price * qty, draw(PERCENTS))
    return made_line(price, qty, discount)


def ordered(basket: tuple[Line, ...], tip: int, shipping: int) -> VendorOrder:
    [part] = settle([VendorPart(uuid4(), (), basket)], {}, tip_cents=tip, shipping_cents=shipping).parts
    made = made_order(*part.lines, status=part.status, tip=tip, shipping=shipping)
    assert made.amounts == part.amounts
    return made


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["accept", "reject", "accept_line", "reject_line", "fulfill", "cancel", "remind", "expire"]),
        st.integers(0, 5),
    ),
    max_size=12,
)


def moved(order: VendorOrder, move: str, place: int) -> VendorOrder:
    """The order after the move, or as it is where the move is refused."""
    line_id = order.lines[place % len(order.lines)].id
    made: dict[str, Any] = {
        "accept": lambda: decide_order(order, Decision.ACCEPT, None, NOW),
        "reject": lambda: decide_order(order, Decision.REJECT, None, NOW),
        "accept_line": lambda: decide_line(order, line_id, Decision.ACCEPT, None, NOW),
        "reject_line": lambda: decide_line(order, line_id, Decision.REJECT, None, NOW),
        "fulfill": lambda: passage.packed(order, NOW),
        "cancel": lambda: passage.canceled(order, "cancel", None, NOW),
        "remind": lambda: passage.reminded(order, NOW),
        "expire": lambda: passage.expired(order, NOW),
    }
    try:
        after: VendorOrder = made[move]()
    except Refusal:
        return order
    assert after.version == order.version + 1
    return after


def assert_adds_up(order: VendorOrder, tip: int, shipping: int) -> None:
    amounts, kept = order.amounts, [one for one in order.lines if one.status is not LineStatus.REJECTED]
    for one in order.lines:
        owed = one.unit_price_cents * one.qty if one in kept else 0
        assert (one.line_subtotal_cents, one.total_cents) == (owed, owed - one.discount_cents)
    assert sum(one.total_cents for one in kept) == amounts.subtotal_cents - amounts.discounts_cents
    assert amounts.total_cents == sum(one.total_cents for one in kept) + (tip + shipping if kept else 0)
    over = order.status in {OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED}
    assert order.balance_due_cents == (0 if over else amounts.total_cents)
    assert order.total_items == len(kept)
    for value in (amounts.subtotal_cents, amounts.discounts_cents, amounts.total_cents, order.balance_due_cents):
        assert type(value) is int
        assert 0 <= value <= CENTS_MAX


def lives_add_up(basket: tuple[Line, ...], tip: int, shipping: int, moves: list[tuple[str, int]]) -> None:
    order = ordered(basket, tip, shipping)
    assert_adds_up(order, tip, shipping)
    for move, place in moves:
        order = moved(order, move, place)
        assert_adds_up(order, tip, shipping)


TIPS = st.integers(0, 10**9)


@given(baskets(), TIPS, TIPS, MOVES)
def test_lines_are_the_total_whatever_is_done_to_the_order(
    basket: tuple[Line, ...], tip: int, shipping: int, moves: list[tuple[str, int]]
) -> None:
    lives_add_up(basket, tip, shipping, moves)


@pytest.mark.long
@pytest.mark.timeout(600)
@settings(max_examples=10_000, deadline=None)
@given(baskets(), TIPS, TIPS, MOVES)
def test_lines_are_the_total_in_ten_thousand_lives(
    basket: tuple[Line, ...], tip: int, shipping: int, moves: list[tuple[str, int]]
) -> None:
    lives_add_up(basket, tip, shipping, moves)


def test_the_examples_of_the_specification() -> None:
    for price, qty, percent, subtotal, discount, total in (
        (1_500, 60, Decimal(5), 90_000, 4_500, 85_500),
        (1_525, 60, Decimal(5), 91_500, 4_575, 86_925),
        (333, 3, Decimal("2.5"), 999, 25, 974),
    ):
        assert price * qty == subtotal
        assert percent_of(subtotal, percent) == discount
        assert subtotal - discount == total


def quoted(order: VendorOrder, prices: list[int]) -> QuoteAnswer:
    """The old lines at other prices."""
    items = [
        QuotedItem(
            product_id=line.product_id,
            vendor_store_id=order.vendor_store_id,
            quantity=line.qty,
            title=line.name,
            category=line.category,
            unit=line.unit,
            moq=1,
            unit_price_cents=price,
            effective_unit_price_cents=price,
            line_subtotal_cents=price * line.qty,
            line_discounts_cents=0,
            line_total_cents=price * line.qty,
            status="ok",
        )
        for line, price in zip(order.kept_lines, prices, strict=False)
    ]
    vendor = QuotedVendor(vendor_store_id=order.vendor_store_id, vendor_store_name="A", status="ok")
    return QuoteAnswer(items=items, vendors=[vendor])


@given(baskets(), TIPS, TIPS, st.lists(st.integers(0, 1000), min_size=6, max_size=6))
def test_a_retry_charges_fresh_prices_and_the_old_shares(
    basket: tuple[Line, ...], tip: int, shipping: int, prices: list[int]
) -> None:
    old = passage.expired(passage.reminded(ordered(basket, tip, shipping), NOW), NOW + timedelta(days=10))
    ids: dict[UUID, UUID] = {line.product_id: uuid4() for line in old.kept_lines}
    part = part_again(old, quoted(old, prices), ids)
    [new] = settle([part], {}, tip_cents=old.amounts.tip_cents, shipping_cents=old.amounts.shipping_cents).parts
    goods = sum(price * line.qty for line, price in zip(old.kept_lines, prices, strict=False))
    assert new.amounts.total_cents == goods + tip + shipping
    assert {line.id for line in new.lines} == set(ids.values())


LIMIT_CASES = [
    ({"tip_cents": CENTS_MAX}, "tip_cents"),
    ({"tip_cents": CENTS_MAX - 2_999}, "tip_cents"),
    ({"shipping_line": {"code": "van", "title": "Van", "price_cents": CENTS_MAX}}, "shipping_line.price_cents"),
    (
        {"tip_cents": CENTS_MAX - 3_000, "shipping_line": {"code": "van", "title": "Van", "price_cents": 1}},
        "shipping_line.price_cents",
    ),
]


@pytest.mark.parametrize(("fields", "wrong"), LIMIT_CASES)
async def test_a_checkout_past_the_limit_is_refused_before_anything_is_held(
    market: Any, buyer: Any, fields: dict[str, Any], wrong: str
) -> None:
    first, second = market.product(market.vendor()), market.product(market.vendor())
    cart = await buyer.wants((first, 1), (second, 1))

    answer = await buyer.checks_out(cart["id"], **fields)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_ERROR")
    assert error["details"] == {wrong: f"takes the checkout past {CENTS_MAX} cents"}
    assert (await market.attempts(), market.catalog.reserve_calls, market.catalog.held) == ([], 0, {})


async def test_a_checkout_may_charge_the_limit_to_the_cent(market: Any, buyer: Any) -> None:
    first, second = market.product(market.vendor()), market.product(market.vendor())
    checkout = await buyer.buys((first, 1), (second, 1), tip_cents=CENTS_MAX - 3_000)
    assert sum(order["total_cents"] for order in checkout["vendor_orders"]) == CENTS_MAX


async def test_a_retry_past_the_limit_is_refused_before_anything_is_held(market: Any, buyer: Any) -> None:
    flower = market.product(market.vendor(), price_cents=1)
    order = await market.expired(buyer, (flower, 1), tip_cents=CENTS_MAX - 1)
    flower.price_cents = 2
    reserved = market.catalog.reserve_calls

    answer = await buyer.retries(order["order_id"])

    assert (answer.status_code, answer.json()["error"]["reason"]) == (422, "amount_too_large")
    assert (await market.attempts(), market.catalog.reserve_calls) == (["committed"], reserved)
    flower.price_cents = 1
    assert (await buyer.retries(order["order_id"])).status_code == 201
