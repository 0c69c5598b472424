"""Stock as two counters and the reservations that explain them (spec 4.3)."""

from dataclasses import dataclass
from enum import StrEnum

from kernel.machine import Machine


class ReservationState(StrEnum):
    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    CONSUMED = "consumed"
    REFUSED = "refused"


class ReservationReason(StrEnum):
    """Why a reservation was refused (the first three) or released (the rest)."""

    INSUFFICIENT_INVENTORY = "insufficient_inventory"
    PRODUCT_INACTIVE = "product_inactive"
    VENDOR_HIDDEN = "vendor_hidden"
    DECIDED = "decided"
    CANCELED = "canceled"
    EXPIRED = "expired"
    ABORTED = "aborted"


class MovementKind(StrEnum):
    INITIAL = "initial"
    SET = "set"
    RESERVE = "reserve"
    RELEASE = "release"
    CONSUME = "consume"


RESERVATIONS: Machine[ReservationState] = Machine(
    {
        (ReservationState.HELD, "confirm"): ReservationState.CONFIRMED,
        (ReservationState.HELD, "release"): ReservationState.RELEASED,
        (ReservationState.CONFIRMED, "release"): ReservationState.RELEASED,
        (ReservationState.HELD, "consume"): ReservationState.CONSUMED,
        (ReservationState.CONFIRMED, "consume"): ReservationState.CONSUMED,
    }
)
"""Released, consumed and refused are final: a later event changes nothing."""


def states_before(action: str) -> list[str]:
    """The states an action may start from; the WHERE of every conditional update."""
    return sorted(str(state) for state, listed in RESERVATIONS.table if listed == action)


@dataclass(frozen=True, slots=True)
class Stock:
    """What may still be sold, and what is promised (held or confirmed). Neither is ever negative."""

    available_qty: int
    reserved_qty: int

    def __post_init__(self) -> None:
        if self.available_qty < 0 or self.reserved_qty < 0:
            raise ValueError("stock is never negative")

    def set(self, available_qty: int) -> "Stock":
        """A vendor says what may still be sold; what is promised stays promised, whatever the value."""
        return Stock(available_qty, self.reserved_qty)

    def can_take(self, qty: int) -> bool:
        return self.available_qty >= qty

    def after(self, kind: MovementKind, qty: int) -> "Stock":
        """The counters after a reserve, release or consume of `qty` units."""
        available, reserved = DELTAS[kind]
        return Stock(self.available_qty + available * qty, self.reserved_qty + reserved * qty)


DELTAS: dict[MovementKind, tuple[int, int]] = {
    MovementKind.RESERVE: (-1, 1),
    MovementKind.RELEASE: (1, -1),
    MovementKind.CONSUME: (0, -1),
}
"""What one unit does to (available, reserved)."""
