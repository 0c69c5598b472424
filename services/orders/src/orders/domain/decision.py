"""A vendor's word on an order, and what follows for its lines and money (spec 5.2)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from orders.domain.order import Line, VendorOrder, charged, rejected, status_of
from orders.domain.states import ORDER_MACHINE, LineStatus, OrderStatus


class Decision(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"


_ALREADY = {
    Decision.ACCEPT: {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_ACCEPTED},
    Decision.REJECT: {OrderStatus.REJECTED},
}


def is_repeat(order: VendorOrder, decision: Decision) -> bool:
    """The order already is what the decision asks for: the answer is its present state and nothing changes."""
    return order.status in _ALREADY[decision]


def decide_order(order: VendorOrder, decision: Decision, notes: str | None, at: datetime) -> VendorOrder:
    """The order after the decision.

    Accept takes every pending line, reject refuses every line. Raises `StateConflict` (transition) outside
    created_pending. Shares stay unless everything is rejected; then all amounts are 0.
    """
    ORDER_MACHINE.after(order.status, decision)
    return with_lines(order, [_decided(line, decision) for line in order.lines], at, notes)


def with_lines(order: VendorOrder, lines: Sequence[Line], at: datetime, notes: str | None = None) -> VendorOrder:
    """The order with these lines: status, amounts and balance follow from them, and the version is the next one."""
    amounts = charged(lines, shipping_cents=order.amounts.shipping_cents, tip_cents=order.amounts.tip_cents)
    return replace(
        order,
        lines=tuple(lines),
        status=status_of(lines),
        amounts=amounts,
        balance_due_cents=amounts.total_cents,
        shipping_line=_repriced(order.shipping_line, amounts.shipping_cents),
        notes=notes or order.notes,
        version=order.version + 1,
        updated_at=at,
    )


def _decided(line: Line, decision: Decision) -> Line:
    if decision is Decision.REJECT:
        return line if line.status is LineStatus.REJECTED else rejected(line, None)
    return replace(line, status=LineStatus.ACCEPTED) if line.status is LineStatus.PENDING else line


def _repriced(shipping_line: dict[str, Any] | None, cents: int) -> dict[str, Any] | None:
    return shipping_line and {**shipping_line, "price_cents": cents}
