"""No cent is lost or made, whatever is split or discounted."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import Money, percent_of, split_cents

amounts = st.integers(min_value=0, max_value=10**12)
weights = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=50)
percents = st.decimals(min_value=0, max_value=100, places=4)


@given(amounts, weights)
def test_the_parts_of_a_split_sum_to_the_whole(cents: int, shares: list[int]) -> None:
    assert sum(split_cents(cents, shares)) == cents


@given(amounts, weights)
def test_no_part_is_a_cent_away_from_its_exact_share(cents: int, shares: list[int]) -> None:
    whole = sum(shares) or len(shares)
    exact = shares if any(shares) else [1] * len(shares)
    for part, share in zip(split_cents(cents, shares), exact, strict=True):
        assert abs(part * whole - cents * share) < whole


@given(amounts, percents)
def test_a_discount_is_never_more_than_the_amount(cents: int, percent: Decimal) -> None:
    assert 0 <= percent_of(cents, percent) <= cents


@pytest.mark.parametrize(
    ("cents", "percent", "discount"),
    [(90_000, "5", 4_500), (91_500, "5", 4_575), (999, "2.5", 25), (1, "50", 1), (0, "100", 0)],
)
def test_the_examples_of_the_specification_round_half_up(cents: int, percent: str, discount: int) -> None:
    assert percent_of(cents, Decimal(percent)) == discount


def test_a_tip_is_split_in_proportion() -> None:
    assert split_cents(100, [85_500, 28_500]) == [75, 25]


def test_equal_remainders_go_to_the_earlier_weight() -> None:
    assert split_cents(1, [1, 1]) == [1, 0]
    assert split_cents(5, [0, 0]) == [3, 2]


def test_an_amount_cannot_be_split_over_nothing() -> None:
    assert split_cents(0, []) == []
    with pytest.raises(ValueError, match="nothing to split"):
        split_cents(1, [])


@pytest.mark.parametrize("wrong", [1.0, True, "1", None, Decimal(1)])
def test_money_is_made_of_whole_cents_only(wrong: object) -> None:
    with pytest.raises(TypeError):
        Money(wrong)  # type: ignore[arg-type]


def test_currencies_do_not_mix() -> None:
    with pytest.raises(TypeError):
        Money(1) + Money(1, "BTC")
    assert Money(250) + Money(50) - Money(100) == Money(200)
    assert Money(333) * 3 == Money(999)


def test_money_is_not_multiplied_by_fractions() -> None:
    with pytest.raises(TypeError):
        Money(100) * 0.5  # type: ignore[operator]


def test_amounts_beyond_a_column_are_refused() -> None:
    with pytest.raises(ValueError, match="range"):
        Money(10**12 + 1)
