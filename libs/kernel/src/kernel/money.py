"""Money is integer cents. Every rounding in the product goes through `round_half_up` (spec 13)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENTS_MAX = 10**12
"""The largest amount any column holds, in cents, either sign (reliability 3.6)."""


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An exact amount in cents of one currency; other currencies, floats and bools raise TypeError."""

    cents: int
    currency: str = "USD"

    def __post_init__(self) -> None:
        if type(self.cents) is not int:
            raise TypeError(f"cents must be int, not {type(self.cents).__name__}")
        if abs(self.cents) > CENTS_MAX:
            raise ValueError("amount out of range")

    def _same(self, other: "Money") -> None:
        if not isinstance(other, Money) or other.currency != self.currency:
            raise TypeError("amounts of different currencies do not mix")

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.cents + other.cents, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        return Money(self.cents - other.cents, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        if type(quantity) is not int:
            raise TypeError("money is multiplied by whole quantities only")
        return Money(self.cents * quantity, self.currency)

    def percent(self, percent: Decimal) -> "Money":
        """That many percent of the amount, rounded half up once."""
        return Money(percent_of(self.cents, percent), self.currency)

    def split(self, weights: Sequence[int]) -> "list[Money]":
        """Parts in proportion to the weights that sum to the whole; see `split_cents`."""
        return [Money(part, self.currency) for part in split_cents(self.cents, weights)]


def round_half_up(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def percent_of(cents: int, percent: Decimal) -> int:
    """`percent` (0 to 100, up to four places) of `cents`, rounded half up."""
    return round_half_up(Decimal(cents) * percent / 100)


def split_cents(cents: int, weights: Sequence[int]) -> list[int]:
    """Split a non-negative amount in proportion to the weights, losing and making no cent.

    Each part is rounded down, then the remaining cents go to the largest remainders, ties to the earlier weight. When
    all weights are 0 the split is equal. Callers order the weights by the tie rule of their field (spec 13.4).
    """
    if not weights:
        if cents:
            raise ValueError("nothing to split an amount over")
        return []
    shares = list(weights) if any(weights) else [1] * len(weights)
    whole = sum(shares)
    parts = [cents * share // whole for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda place: (-(cents * shares[place] % whole), place))
    for place in by_remainder[: cents - sum(parts)]:
        parts[place] += 1
    return parts
