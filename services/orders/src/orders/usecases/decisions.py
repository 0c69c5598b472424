"""The vendor's decision on a whole order (spec 5.2, 12.7)."""

from uuid import UUID

from chassis.db import Tx
from kernel.refusal import Forbidden, NotFound
from kernel.scope import StoreScope
from orders.domain.decision import Decision, decide_order, is_repeat
from orders.domain.facts import order_changed, order_decided, rejected_ids
from orders.repo import orders


async def decide(tx: Tx, scope: StoreScope, order_id: UUID, decision: Decision, notes: str | None) -> None:
    """Accepts every pending line or rejects every line; a repeat of the same decision changes nothing.

    Raises `NotFound` for an order of other stores, `Forbidden` for the buyer's side, `StateConflict` (transition)
    when the order's status does not allow it.
    """
    sides = await orders.lock(tx, scope, order_id)
    if sides is None:
        raise NotFound
    if sides.vendor_store_id != scope.store_id:
        raise Forbidden("role_missing", "only the vendor of an order may decide it")
    before = await orders.load(tx, scope, order_id)
    if is_repeat(before, decision):
        return
    after = decide_order(before, decision, notes, tx.now)
    await orders.save_decision(tx, before, after, tx.actor, notes)
    returned = rejected_ids(after.lines) - rejected_ids(before.lines)
    tx.emit(order_decided(after, decision, sorted(returned)))
    tx.emit(order_changed(after))
    tx.audit(
        f"order.{decision.value}",
        "vendor_order",
        order_id,
        {"from": before.status.value, "to": after.status.value, "total_cents": after.amounts.total_cents},
    )
