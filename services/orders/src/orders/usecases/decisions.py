"""The vendor's decision on a whole order or on one of its lines (spec 5.2, 12.7)."""

from typing import Literal
from uuid import UUID

from chassis.db import Tx
from kernel.scope import StoreScope
from orders.domain.decision import DEEDS, Decision, decide_line, decide_order, is_line_repeat
from orders.domain.facts import order_decided
from orders.domain.order import VendorOrder
from orders.domain.states import is_repeat
from orders.usecases.moving import Move, held_by_vendor, make, moment


async def decide(tx: Tx, scope: StoreScope, order_id: UUID, decision: Decision, notes: str | None) -> None:
    """Accepts every pending line or rejects every line; a repeat of the same decision changes nothing.

    Raises `NotFound` for an order of other stores, `Forbidden` for the buyer's side, `StateConflict` (transition)
    when the order's status does not allow it.
    """
    before = await held_by_vendor(tx, scope, order_id)
    if is_repeat(before.status, decision):
        return
    after = decide_order(before, decision, notes, moment(tx, before))
    await make(tx, _move(before, after, "order", decision, notes))


async def decide_one(
    tx: Tx, scope: StoreScope, order_id: UUID, line_id: UUID, decision: Decision, notes: str | None
) -> None:
    """Accepts or rejects one line; the order's status and money follow. Raises as `decide` does.

    An accepted line may still be rejected until the order is packed; a rejected one stays rejected.
    """
    before = await held_by_vendor(tx, scope, order_id)
    if is_line_repeat(before, line_id, decision):
        return
    after = decide_line(before, line_id, decision, notes, moment(tx, before))
    await make(tx, _move(before, after, "line", decision, notes, line_id))


def _move(
    before: VendorOrder,
    after: VendorOrder,
    scope: Literal["order", "line"],
    decision: Decision,
    notes: str | None,
    line_id: UUID | None = None,
) -> Move:
    return Move(
        before=before,
        after=after,
        action=decision.value if line_id is None else f"{decision.value}_line",
        fact=order_decided(before, after, scope, decision),
        passes=((DEEDS[scope, decision], after.status),),
        line_item_id=line_id,
        reason=notes,
    )
