"""Every state a cart, attempt, order or line can be in, and the one table of moves between them (spec 5.1, 5.2)."""

from enum import StrEnum

from kernel.machine import Machine


class CartStatus(StrEnum):
    ACTIVE = "active"
    CONVERTED = "converted"


class ItemStatus(StrEnum):
    OK = "ok"
    NOT_AVAILABLE = "not_available"
    INVALID = "invalid"


class GroupStatus(StrEnum):
    OK = "ok"
    INVALID = "invalid"


class AttemptState(StrEnum):
    RESERVING = "reserving"
    COMMITTED = "committed"
    ABORTED = "aborted"


class PaymentMethod(StrEnum):
    CASH = "cash"
    ACH = "ach"


class PaymentStatus(StrEnum):
    """Shown beside the order's status, never as one."""

    UNPAID = "unpaid"
    PENDING = "pending"
    SETTLED = "settled"
    PAID = "paid"
    FAILED = "failed"
    REJECTED = "rejected"


class Currency(StrEnum):
    USD = "USD"
    BTC = "BTC"
    ETH = "ETH"


class OrderStatus(StrEnum):
    """`hold` is the one "ready for pickup" state."""

    CREATED_PENDING = "created_pending"
    ACCEPTED = "accepted"
    PARTIALLY_ACCEPTED = "partially_accepted"
    REJECTED = "rejected"
    FULFILLED = "fulfilled"
    HOLD = "hold"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class LineStatus(StrEnum):
    """`hold` exists on the wire and is unused."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FULFILLED = "fulfilled"
    HOLD = "hold"


class RefundStatus(StrEnum):
    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


class FulfillmentStatus(StrEnum):
    PENDING = "pending"
    PARTIAL = "partial"
    FULFILLED = "fulfilled"


class ShippingStatus(StrEnum):
    PENDING = "pending"
    DISPATCHED = "dispatched"
    IN_TRANSIT = "in_transit"
    DELIVERED = "delivered"


class ActorKind(StrEnum):
    """On whose behalf an order was moved, as its timeline tells it."""

    BUYER = "buyer"
    VENDOR = "vendor"
    AGENT = "agent"
    ADMIN = "admin"
    SYSTEM = "system"


class Deed(StrEnum):
    """What happened to an order: one word per row of its history. Words are only ever added."""

    CREATED = "created"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    LINE_ACCEPTED = "line_accepted"
    LINE_REJECTED = "line_rejected"
    FULFILLED = "fulfilled"
    READY_FOR_PICKUP = "ready_for_pickup"
    NUDGED = "nudged"
    REMINDED = "reminded"
    CANCELED = "canceled"
    EXPIRED = "expired"
    RETRIED = "retried"


ACTIONABLE = (OrderStatus.CREATED_PENDING, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_ACCEPTED)
"""What waits for the vendor: the default "needs action" list, and the states in which lines can be decided."""


_CANCELS = ("cancel", "cancel_by_admin")
_BEFORE_PICKUP = (*ACTIONABLE, OrderStatus.FULFILLED, OrderStatus.HOLD)


def _order_moves() -> dict[tuple[OrderStatus, str], OrderStatus]:
    """Spec 5.2 as data. `accept_partly` and `reject_last_line` are what accept and reject of lines amount to.

    `nudge` is the buyer's, `remind` the clock's; a `retry` makes another order, and the expired one stays.
    """
    status = OrderStatus
    moves = {
        (status.CREATED_PENDING, "decide_line"): status.CREATED_PENDING,
        (status.CREATED_PENDING, "accept"): status.ACCEPTED,
        (status.CREATED_PENDING, "accept_partly"): status.PARTIALLY_ACCEPTED,
        (status.CREATED_PENDING, "reject"): status.REJECTED,
        (status.CREATED_PENDING, "reject_last_line"): status.REJECTED,
        (status.CREATED_PENDING, "nudge"): status.CREATED_PENDING,
        (status.CREATED_PENDING, "remind"): status.CREATED_PENDING,
        (status.CREATED_PENDING, "expire"): status.EXPIRED,
        (status.EXPIRED, "retry"): status.EXPIRED,
        (status.ACCEPTED, "reject_line"): status.PARTIALLY_ACCEPTED,
        (status.ACCEPTED, "reject_last_line"): status.REJECTED,
        (status.ACCEPTED, "fulfill"): status.FULFILLED,
        (status.PARTIALLY_ACCEPTED, "reject_line"): status.PARTIALLY_ACCEPTED,
        (status.PARTIALLY_ACCEPTED, "reject_last_line"): status.REJECTED,
        (status.PARTIALLY_ACCEPTED, "fulfill"): status.FULFILLED,
        (status.FULFILLED, "pack"): status.HOLD,
        (status.HOLD, "pick_up"): status.IN_TRANSIT,
        (status.IN_TRANSIT, "deliver"): status.DELIVERED,
        (status.DELIVERED, "close"): status.CLOSED,
        (status.IN_TRANSIT, "cancel_by_admin"): status.CANCELED,
    }
    return moves | {(open_status, by): status.CANCELED for open_status in _BEFORE_PICKUP for by in _CANCELS}


ORDER_MACHINE: Machine[OrderStatus] = Machine(_order_moves())

LINE_MACHINE: Machine[LineStatus] = Machine(
    {
        (LineStatus.PENDING, "accept"): LineStatus.ACCEPTED,
        (LineStatus.PENDING, "reject"): LineStatus.REJECTED,
        (LineStatus.ACCEPTED, "reject"): LineStatus.REJECTED,
    }
)
"""What a vendor may do to one line, while the order is one of `ACTIONABLE`."""

_REPEATS = {
    (OrderStatus.ACCEPTED, "accept"),
    (OrderStatus.PARTIALLY_ACCEPTED, "accept"),
    (OrderStatus.REJECTED, "reject"),
    (OrderStatus.HOLD, "fulfill"),
    (OrderStatus.CANCELED, "cancel"),
    (OrderStatus.CANCELED, "cancel_by_admin"),
}


def is_repeat(status: OrderStatus, action: str) -> bool:
    """The order already is what the action asks for: the answer is its present state, and nothing changes."""
    return (status, action) in _REPEATS
