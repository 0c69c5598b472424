"""Rules of orders as properties: no cent is lost or made, and no state is skipped."""

from typing import get_args
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import orders as wire
from contracts.catalog import QuoteAnswer, QuotedItem, QuotedVendor
from contracts.values import VolumeDiscount
from kernel.refusal import StateConflict
from orders.domain.cart import quoted_cart
from orders.domain.checkout import VendorPart, settle
from orders.domain.decision import Decision, decide_order
from orders.domain.order import Line, rejected
from orders.domain.states import (
    ORDER_MACHINE,
    FulfillmentStatus,
    LineStatus,
    OrderStatus,
    PaymentMethod,
    ShippingStatus,
    is_repeat,
)

from .made import NOW, line, order


@st.composite
def lines(draw: st.DrawFn) -> Line:
    price, qty = draw(st.integers(0, 500_000)), draw(st.integers(1, 5_000))
    made = line(price, qty, draw(st.integers(0, price * qty)))
    return made if draw(st.integers(0, 4)) else rejected(made, "not_available")


@st.composite
def carts(draw: st.DrawFn) -> list[VendorPart]:
    vendors = draw(st.lists(st.uuids(), min_size=1, max_size=6, unique=True))
    return [VendorPart(v, (), tuple(draw(st.lists(lines(), min_size=1, max_size=5)))) for v in vendors]


@st.composite
def checkouts(draw: st.DrawFn) -> tuple[list[VendorPart], dict[UUID, str], int, int]:
    parts = draw(carts())
    asked = [one.id for part in parts for one in part.pending]
    refused = draw(st.lists(st.sampled_from(asked), unique=True)) if asked else []
    reasons = dict.fromkeys(refused, "insufficient_inventory")
    return parts, reasons, draw(st.integers(0, 100_000)), draw(st.integers(0, 100_000))


@given(checkouts())
def test_the_orders_of_a_checkout_add_up_to_the_cent(
    checkout: tuple[list[VendorPart], dict[UUID, str], int, int],
) -> None:
    parts, refused, tip, shipping = checkout
    settlement = settle(parts, refused, tip_cents=tip, shipping_cents=shipping)
    reserved = [one for part in parts for one in part.pending if one.id not in refused]
    goods = sum(one.total_cents for one in reserved)
    assert sum(part.amounts.total_cents for part in settlement.parts) == (goods + tip + shipping if reserved else 0)
    for part in settlement.parts:
        kept = [one for one in part.lines if one.status is LineStatus.PENDING]
        assert part.amounts.subtotal_cents == sum(one.line_subtotal_cents for one in kept)
        assert part.amounts.discounts_cents == sum(one.discount_cents for one in kept)
        assert (part.status is OrderStatus.REJECTED) == (not kept)
        assert kept or part.amounts.total_cents == 0
    ordered = {part.vendor_store_id for part in settlement.parts}
    assert ordered.isdisjoint(part.vendor_store_id for part in settlement.rejected)
    assert len(settlement.parts) + len(settlement.rejected) == len(parts)


@given(checkouts())
def test_refused_lines_keep_price_and_quantity_and_charge_nothing(
    checkout: tuple[list[VendorPart], dict[UUID, str], int, int],
) -> None:
    parts, refused, tip, shipping = checkout
    before = {one.id: one for part in parts for one in part.lines}
    for part in settle(parts, refused, tip_cents=tip, shipping_cents=shipping).parts:
        for one in part.lines:
            assert (one.unit_price_cents, one.qty) == (before[one.id].unit_price_cents, before[one.id].qty)
            if one.id in refused:
                assert (one.line_subtotal_cents, one.discount_cents, one.total_cents) == (0, 0, 0)
                assert (one.status, one.notes) == (LineStatus.REJECTED, "insufficient_inventory")


def test_tip_is_split_in_proportion_with_ties_by_vendor() -> None:
    low, high = sorted([uuid4(), uuid4()])
    dear, cheap = line(85_500), line(28_500)
    settled = settle(
        [VendorPart(high, (), (cheap,)), VendorPart(low, (), (dear,))], {}, tip_cents=100, shipping_cents=1
    )
    assert [part.amounts.tip_cents for part in settled.parts] == [25, 75]
    even = settle(
        [VendorPart(high, (), (line(0),)), VendorPart(low, (), (line(0),))], {}, tip_cents=3, shipping_cents=0
    )
    assert [part.amounts.tip_cents for part in even.parts] == [1, 2]


@given(st.lists(lines(), min_size=1, max_size=6), st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_decision_charges_exactly_the_lines_it_keeps(ordered: list[Line], tip: int, shipping: int) -> None:
    before = order(*ordered, status=OrderStatus.CREATED_PENDING, tip=tip, shipping=shipping)
    accepted = decide_order(before, Decision.ACCEPT, None, NOW)
    if accepted.status is not OrderStatus.REJECTED:
        assert accepted.amounts == before.amounts
        assert accepted.balance_due_cents == before.balance_due_cents
    refused = decide_order(before, Decision.REJECT, "no", NOW)
    assert refused.status is OrderStatus.REJECTED
    assert (refused.amounts.total_cents, refused.balance_due_cents, refused.total_items) == (0, 0, 0)
    assert (refused.amounts.tip_cents, refused.amounts.shipping_cents) == (0, 0)
    assert refused.shipping_line is not None
    assert refused.shipping_line["price_cents"] == 0
    assert accepted.version == refused.version == before.version + 1


def test_accepting_an_order_with_a_refused_line_accepts_it_partially() -> None:
    whole, part = line(500), rejected(line(700), "insufficient_inventory")
    assert decide_order(order(whole), Decision.ACCEPT, None, NOW).status is OrderStatus.ACCEPTED
    decided = decide_order(order(whole, part), Decision.ACCEPT, None, NOW)
    assert decided.status is OrderStatus.PARTIALLY_ACCEPTED
    assert [one.status for one in decided.lines] == [LineStatus.ACCEPTED, LineStatus.REJECTED]
    assert decided.lines[1].notes == "insufficient_inventory"


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("decision", Decision)
def test_every_status_answers_a_decision_with_a_move_a_repeat_or_a_refusal(
    status: OrderStatus, decision: Decision
) -> None:
    undecided = order(line(), status=status)
    repeats = {
        (OrderStatus.ACCEPTED, Decision.ACCEPT),
        (OrderStatus.PARTIALLY_ACCEPTED, Decision.ACCEPT),
        (OrderStatus.REJECTED, Decision.REJECT),
    }
    assert is_repeat(status, decision) == ((status, decision) in repeats)
    if status is OrderStatus.CREATED_PENDING:
        assert decide_order(undecided, decision, None, NOW).status is not status
    else:
        with pytest.raises(StateConflict) as refusal:
            decide_order(undecided, decision, None, NOW)
        assert refusal.value.details == {"from": status.value, "action": decision.value}


SPECIFIED = {
    "created_pending": {
        "decide_line": "created_pending",
        "accept": "accepted",
        "accept_partly": "partially_accepted",
        "reject": "rejected",
        "reject_last_line": "rejected",
        "cancel": "canceled",
        "cancel_by_admin": "canceled",
        "nudge": "created_pending",
        "remind": "created_pending",
        "expire": "expired",
    },
    "expired": {"retry": "expired"},
    "accepted": {
        "reject_line": "partially_accepted",
        "reject_last_line": "rejected",
        "fulfill": "fulfilled",
        "cancel": "canceled",
        "cancel_by_admin": "canceled",
    },
    "partially_accepted": {
        "reject_line": "partially_accepted",
        "reject_last_line": "rejected",
        "fulfill": "fulfilled",
        "cancel": "canceled",
        "cancel_by_admin": "canceled",
    },
    "fulfilled": {"pack": "hold", "cancel": "canceled", "cancel_by_admin": "canceled"},
    "hold": {"pick_up": "in_transit", "cancel": "canceled", "cancel_by_admin": "canceled"},
    "in_transit": {"deliver": "delivered", "cancel_by_admin": "canceled"},
    "delivered": {"close": "closed"},
}
ACTIONS = sorted({action for moves in SPECIFIED.values() for action in moves})


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("action", ACTIONS)
def test_transition_table_every_pair(status: OrderStatus, action: str) -> None:
    expected = SPECIFIED.get(status.value, {}).get(action)
    if expected is None:
        with pytest.raises(StateConflict) as refusal:
            ORDER_MACHINE.after(status, action)
        assert refusal.value.reason == "transition"
    else:
        assert ORDER_MACHINE.after(status, action) == expected


def test_the_enums_are_the_words_of_the_wire() -> None:
    assert set(OrderStatus) == set(get_args(wire.OrderStatus))
    assert set(LineStatus) == set(get_args(wire.LineStatus))
    assert set(PaymentMethod) == set(get_args(wire.PaymentMethod))
    assert set(FulfillmentStatus) == set(get_args(wire.FulfillmentStatus))
    assert set(ShippingStatus) == set(get_args(wire.ShippingStatus))


def quoted(vendor: UUID, price: int, quantity: int, discount: int, status: str = "ok") -> QuotedItem:
    subtotal = price * quantity if status == "ok" else 0
    cut = discount if status == "ok" else 0
    return QuotedItem(
        product_id=uuid4(),
        vendor_store_id=vendor,
        quantity=quantity,
        title="Flower",
        category="flower",
        unit="gram",
        moq=1,
        unit_price_cents=price,
        effective_unit_price_cents=0,
        line_subtotal_cents=subtotal,
        line_discounts_cents=cut,
        line_total_cents=subtotal - cut,
        applied_volume_discount=VolumeDiscount(label="5%", amount_cents=cut) if cut else None,
        status=status,
    )


def test_a_cart_counts_only_what_can_be_bought() -> None:
    first, second = uuid4(), uuid4()
    quote = QuoteAnswer(
        items=[quoted(first, 1500, 60, 4500), quoted(first, 900, 2, 0, "not_available"), quoted(second, 333, 3, 25)],
        vendors=[
            QuotedVendor(vendor_store_id=first, vendor_store_name="A", status="ok"),
            QuotedVendor(vendor_store_id=second, vendor_store_name="B", status="ok"),
        ],
    )
    cart = quoted_cart(quote, {}, {second})
    assert [group.total_cents for group in cart.groups] == [85_500, 974]
    assert (cart.subtotal_cents, cart.discounts_cents, cart.total_cents) == (90_999, 4_525, 86_474)
    assert [[warning.type for warning in group.warnings] for group in cart.groups] == [[], ["invalid_promo"]]


def test_a_changed_price_is_told_once() -> None:
    vendor = uuid4()
    item = quoted(vendor, 500, 1, 0)
    quote = QuoteAnswer(
        items=[item], vendors=[QuotedVendor(vendor_store_id=vendor, vendor_store_name="A", status="ok")]
    )
    changed = quoted_cart(quote, {item.product_id: 400}, set())
    same = quoted_cart(quote, {item.product_id: 500}, set())
    assert [warning.type for warning in changed.items[0].warnings] == ["price_changed"]
    assert not same.items[0].warnings
