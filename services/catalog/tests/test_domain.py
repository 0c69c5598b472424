"""Rules of goods, prices and stock, without a database."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from catalog.domain.goods import require_max_qty_fits_moq, sanitised
from catalog.domain.pricing import Offer, Tier, group_status, priced, quoted
from catalog.domain.standing import Standing, obstacle_to_sell
from catalog.domain.stock import RESERVATIONS, MovementKind, ReservationState, Stock
from kernel.refusal import Invalid

VENDOR, BUYER = uuid4(), uuid4()
TIERS = [Tier(50, Decimal(5)), Tier(100, Decimal(10))]


def offer(**changes: object) -> Offer:
    usual = {"store_id": VENDOR, "is_live": True, "moq": 1, "max_qty": 0, "price_cents": 1500, "available_qty": 1000}
    return Offer(**{**usual, **changes})


def ask(offered: Offer, quantity: int, vendor: UUID = VENDOR) -> Any:
    return quoted(offered, vendor_store_id=vendor, buyer_store_id=BUYER, quantity=quantity)


@pytest.mark.parametrize(
    ("price", "quantity", "tiers", "expected"),
    [
        (1500, 60, TIERS, (90_000, 4_500, 85_500)),
        (1525, 60, TIERS, (91_500, 4_575, 86_925)),
        (333, 3, [Tier(1, Decimal("2.5"))], (999, 25, 974)),
        (1500, 100, TIERS, (150_000, 15_000, 135_000)),
        (1500, 49, TIERS, (73_500, 0, 73_500)),
        (0, 3, TIERS, (0, 0, 0)),
    ],
)
def test_the_examples_of_the_spec_come_out_to_the_cent(price: Any, quantity: Any, tiers: Any, expected: Any) -> None:
    line = priced(price, quantity, tiers)

    assert (line.subtotal_cents, line.discount_cents, line.total_cents) == expected


@given(st.integers(0, 10**6), st.integers(1, 10**4), st.decimals(0, 100, places=4))
def test_no_line_is_discounted_below_zero_or_above_its_subtotal(price: Any, quantity: Any, percent: Any) -> None:
    line = priced(price, quantity, [Tier(1, percent)])

    assert 0 <= line.discount_cents <= line.subtotal_cents
    assert line.total_cents + line.discount_cents == line.subtotal_cents


def test_quantity_is_raised_to_the_minimum_and_lowered_to_the_maximum_with_a_warning() -> None:
    raised = ask(offer(moq=5), 2)
    lowered = ask(offer(max_qty=10), 60)

    assert (raised.quantity, [w.type for w in raised.warnings]) == (5, ["clamped_to_moq"])
    assert (lowered.quantity, [w.type for w in lowered.warnings]) == (10, ["clamped_to_max"])
    assert lowered.price.total_cents == 15_000


@pytest.mark.parametrize(
    ("changes", "vendor", "status", "warning"),
    [
        ({"is_live": False}, VENDOR, "not_available", "not_available"),
        ({"available_qty": 3}, VENDOR, "not_available", "not_available"),
        ({"price_cents": 10**12}, VENDOR, "not_available", "not_available"),
        ({}, uuid4(), "invalid", "vendor_mismatch"),
        ({"store_id": BUYER}, BUYER, "invalid", "vendor_invalid"),
        ({"obstacle": "vendor_suspended"}, VENDOR, "invalid", "vendor_invalid"),
    ],
)
def test_an_item_that_cannot_be_had_costs_nothing_and_says_why(
    changes: Any, vendor: Any, status: Any, warning: Any
) -> None:
    result = ask(offer(**changes), 4, vendor)

    assert (result.status, result.warnings[-1].type, result.price.total_cents) == (status, warning, 0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"kyc_status": "suspended", "is_visible": False}, "vendor_suspended"),
        ({"kyc_status": "expired", "is_visible": False}, "license_invalid"),
        ({"is_visible": False}, "vendor_invalid"),
        ({"state": "TX"}, "vendor_invalid"),
        ({"is_vendor": False, "is_visible": False}, "vendor_invalid"),
        ({"store_id": BUYER}, "vendor_invalid"),
    ],
)
def test_a_vendor_is_refused_for_the_reason_a_cart_tells(changes: Any, expected: Any) -> None:
    usual = {
        "store_id": VENDOR,
        "name": "V",
        "state": "OK",
        "is_visible": True,
        "is_vendor": True,
        "kyc_status": "verified",
    }

    assert obstacle_to_sell(Standing(**{**usual, **changes}), buyer_store_id=BUYER, buyer_state="OK") == expected


def test_one_bad_item_does_not_make_its_vendor_invalid_but_all_bad_ones_do() -> None:
    assert group_status(["ok", "invalid"], None)[0] == "ok"
    assert group_status(["not_available"], None)[0] == "ok"
    assert group_status(["invalid", "invalid"], None)[0] == "invalid"


def test_body_html_is_sanitised() -> None:
    dirty = (
        '<p onclick="x()">Hi <script>steal()</script><a href="javascript:x()">a</a><b>bold</b><img src=x onerror=y></p>'
    )

    clean = sanitised(dirty)

    assert "<b>bold</b>" in clean
    assert not any(bad in clean for bad in ("script", "onclick", "javascript", "onerror", "img"))


def test_a_cap_below_the_minimum_order_is_refused_and_zero_means_no_cap() -> None:
    require_max_qty_fits_moq(5, 0)
    require_max_qty_fits_moq(5, 5)
    with pytest.raises(Invalid):
        require_max_qty_fits_moq(5, 4)


class StockIsConserved(RuleBasedStateMachine):
    """available + reserved + consumed = what was put in, after any sequence, each step twice and in any order."""

    lines = Bundle("lines")

    def __init__(self) -> None:
        super().__init__()
        self.stock = Stock(0, 0)
        self.put_in = 0
        self.consumed = 0
        self.states: dict[UUID, tuple[ReservationState, int]] = {}

    @rule(available=st.integers(0, 50))
    def vendor_sets(self, available: int) -> None:
        self.put_in += available - self.stock.available_qty
        self.stock = self.stock.set(available)

    @rule(target=lines, qty=st.integers(1, 10))
    def buyer_reserves(self, qty: int) -> UUID:
        line = uuid4()
        if self.stock.can_take(qty):
            self.stock = self.stock.after(MovementKind.RESERVE, qty)
            self.states[line] = (ReservationState.HELD, qty)
        else:
            self.states[line] = (ReservationState.REFUSED, qty)
        return line

    @rule(line=lines, action=st.sampled_from(["confirm", "release", "consume"]), times=st.integers(1, 2))
    def an_event_comes(self, line: UUID, action: str, times: int) -> None:
        for _ in range(times):
            state, qty = self.states[line]
            if not RESERVATIONS.allows(state, action):
                continue
            self.states[line] = (RESERVATIONS.after(state, action), qty)
            if action != "confirm":
                self.stock = self.stock.after(MovementKind(action), qty)
            if action == "consume":
                self.consumed += qty

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        live = sum(q for s, q in self.states.values() if s in {ReservationState.HELD, ReservationState.CONFIRMED})
        assert self.stock.reserved_qty == live
        assert self.stock.available_qty + self.stock.reserved_qty + self.consumed == self.put_in


TestStockIsConserved = StockIsConserved.TestCase
TestStockIsConserved.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
