"""What happens to an order beside decisions: it is packed, canceled, nudged for, expires (spec 5.2, 12.8 to 12.10).

Each function answers the order one version on, and raises `StateConflict` (transition) where the table has no such
move.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from kernel.refusal import RateLimited
from orders.domain.order import VendorOrder
from orders.domain.states import ORDER_MACHINE, FulfillmentStatus, LineStatus

NUDGE_AFTER = timedelta(days=5)
"""How long a vendor may leave an order undecided before it is reminded."""

TTL = timedelta(days=10)
"""How long an order waits for a decision at all."""

GRACE = timedelta(days=5)
"""What a vendor has at least after the reminder, however late that came."""

BUYER_NUDGES_EVERY = timedelta(hours=24)


def packed(order: VendorOrder, at: datetime) -> VendorOrder:
    """What was accepted is packed, and the order waits for its agent."""
    status = ORDER_MACHINE.after(ORDER_MACHINE.after(order.status, "fulfill"), "pack")
    lines = tuple(
        replace(line, status=LineStatus.FULFILLED) if line.status is LineStatus.ACCEPTED else line
        for line in order.lines
    )
    whole = all(line.status is LineStatus.FULFILLED for line in lines)
    return _moved(
        order,
        at,
        status=status,
        lines=lines,
        fulfilled_at=at,
        fulfillment_status=FulfillmentStatus.FULFILLED if whole else FulfillmentStatus.PARTIAL,
    )


def canceled(order: VendorOrder, action: str, reason: str | None, at: datetime) -> VendorOrder:
    """Nothing is due any more; lines and amounts stay as history. `action` is cancel or cancel_by_admin."""
    status = ORDER_MACHINE.after(order.status, action)
    return _moved(order, at, status=status, canceled_at=at, cancel_reason=reason, balance_due_cents=0)


def nudged(order: VendorOrder, at: datetime) -> VendorOrder:
    """The buyer asks the vendor to decide. Raises `RateLimited` within 24 hours of the last time."""
    status = ORDER_MACHINE.after(order.status, "nudge")
    if order.buyer_nudged_at is not None and at < order.buyer_nudged_at + BUYER_NUDGES_EVERY:
        wait = order.buyer_nudged_at + BUYER_NUDGES_EVERY - at
        raise RateLimited("nudged_already", "an order can be nudged once in 24 hours", retry_after=_seconds(wait))
    return _moved(order, at, status=status, buyer_nudged_at=at)


def reminded(order: VendorOrder, at: datetime) -> VendorOrder:
    """The vendor is reminded by the clock, and has five days from now at least."""
    status = ORDER_MACHINE.after(order.status, "remind")
    return _moved(order, at, status=status, nudged_at=at, expires_at=max(order.expires_at, at + GRACE))


def expired(order: VendorOrder, at: datetime) -> VendorOrder:
    """Nothing is due any more; lines and amounts stay as history."""
    status = ORDER_MACHINE.after(order.status, "expire")
    return _moved(order, at, status=status, expired_at=at, balance_due_cents=0)


def _moved(order: VendorOrder, at: datetime, **changes: Any) -> VendorOrder:
    return replace(order, version=order.version + 1, updated_at=at, **changes)


def _seconds(wait: timedelta) -> int:
    """Whole seconds, rounded up, so that who waits them is not refused again."""
    return -(-wait // timedelta(seconds=1))
