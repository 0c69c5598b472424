"""A vendor's word on an order or on one of its lines, and what follows for lines and money (spec 5.2, 12.7)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from kernel.refusal import NotFound, StateConflict
from orders.domain.order import Line, VendorOrder, charged, rejected, status_of
from orders.domain.states import ACTIONABLE, LINE_MACHINE, ORDER_MACHINE, Deed, LineStatus, OrderStatus


class Decision(StrEnum):
    ACCEPT = "accept"
    REJECT = "reject"


DEEDS = {
    ("order", Decision.ACCEPT): Deed.ACCEPTED,
    ("order", Decision.REJECT): Deed.REJECTED,
    ("line", Decision.ACCEPT): Deed.LINE_ACCEPTED,
    ("line", Decision.REJECT): Deed.LINE_REJECTED,
}
"""The word of history for a decision, by its scope."""

_DECIDED = {Decision.ACCEPT: LineStatus.ACCEPTED, Decision.REJECT: LineStatus.REJECTED}


def decide_order(order: VendorOrder, decision: Decision, notes: str | None, at: datetime) -> VendorOrder:
    """The order after the decision.

    Accept takes every pending line, reject refuses every line. Raises `StateConflict` (transition) outside
    created_pending. Shares stay unless everything is rejected; then all amounts are 0.
    """
    ORDER_MACHINE.after(order.status, decision)
    return _with_lines(order, [_decided(line, decision) for line in order.lines], at, notes)


def is_line_repeat(order: VendorOrder, line_id: UUID, decision: Decision) -> bool:
    """The line already is what the decision asks for, in an order that is still to be packed or was rejected."""
    settled = (*ACTIONABLE, OrderStatus.REJECTED)
    return order.status in settled and _line(order, line_id).status is _DECIDED[decision]


def decide_line(order: VendorOrder, line_id: UUID, decision: Decision, notes: str | None, at: datetime) -> VendorOrder:
    """The order after the decision on one line; the notes are the line's.

    Raises `NotFound` for a line of another order, and `StateConflict` (transition) when the order is packed or over,
    or when the line is rejected already: a rejected line stays rejected.
    """
    line = _line(order, line_id)
    if order.status not in ACTIONABLE:
        raise StateConflict.transition(order.status, decision)
    LINE_MACHINE.after(line.status, decision)
    if decision is Decision.REJECT:
        decided = rejected(line, notes)
    else:
        decided = replace(line, status=LineStatus.ACCEPTED, notes=notes or line.notes)
    after = _with_lines(order, [decided if one.id == line_id else one for one in order.lines], at)
    ORDER_MACHINE.after(order.status, _move(order.status, after.status))
    return after


def _line(order: VendorOrder, line_id: UUID) -> Line:
    for line in order.lines:
        if line.id == line_id:
            return line
    raise NotFound


def _move(before: OrderStatus, after: OrderStatus) -> str:
    """The action of the table that a decision on one line amounts to."""
    if after is OrderStatus.CREATED_PENDING:
        return "decide_line"
    if after is OrderStatus.REJECTED:
        return "reject_last_line"
    if before is not OrderStatus.CREATED_PENDING:
        return "reject_line"
    return "accept" if after is OrderStatus.ACCEPTED else "accept_partly"


def _with_lines(order: VendorOrder, lines: Sequence[Line], at: datetime, notes: str | None = None) -> VendorOrder:
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
