"""What every move of an order has in common: its row held by the right side, and all that must be written with it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from chassis.telemetry import counter
from contracts.event import Event
from kernel.refusal import Forbidden, NotFound
from kernel.scope import StoreScope
from orders.domain.facts import order_changed
from orders.domain.history import Entry
from orders.domain.order import VendorOrder
from orders.domain.states import Deed, OrderStatus
from orders.repo import history, orders

_moves = counter("order_transitions_total", "Moves of orders, by what happened", ("what",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of one order. `action` is the word of its audit row, `fact` the event that tells it.

    `passes` are the statuses it goes through, each with its word; `once` makes the fact be said once for ever.
    """

    before: VendorOrder
    after: VendorOrder
    action: str
    fact: Event
    passes: tuple[tuple[Deed, OrderStatus], ...]
    line_item_id: UUID | None = None
    reason: str | None = None
    once: str | None = None


async def held_by_vendor(tx: Tx, scope: StoreScope, order_id: UUID) -> VendorOrder:
    """The order, locked. Raises `NotFound` for an order of other stores, and `Forbidden` for its buyer."""
    order = await _held(tx, scope, order_id)
    if order.vendor_store_id != scope.store_id:
        raise Forbidden("role_missing", "only the vendor of an order may do this")
    return order


async def held_by_buyer(tx: Tx, scope: StoreScope, order_id: UUID) -> VendorOrder:
    """The order, locked. Raises `NotFound` for an order of other stores, and `Forbidden` for its vendor."""
    order = await _held(tx, scope, order_id)
    if order.buyer_store_id != scope.store_id:
        raise Forbidden("role_missing", "only the buyer of an order may do this")
    return order


async def held_by_house(tx: Tx, order_id: UUID) -> VendorOrder:
    """The order, locked, whoever its stores are. Raises `NotFound`."""
    return await _held(tx, None, order_id)


def moment(tx: Tx, order: VendorOrder) -> datetime:
    """When a move of a held order happens: a transaction that waited for the row does not move it before its last."""
    return max(tx.now, order.updated_at)


async def make(tx: Tx, move: Move) -> None:
    """Writes the order, its history and audit rows, and tells the fact and the snapshot. Its row is held."""
    event_id = new_id()
    await orders.save(tx, move.before, move.after)
    await history.write(tx, [(move.after, entry) for entry in _entries(move, event_id)])
    tx.emit(move.fact, event_id=event_id, once=move.once)
    tx.emit(order_changed(move.after))
    tx.audit(f"order.{move.action}", "vendor_order", move.after.id, _told(move))
    tx.after_commit(lambda: _count(move))


def _entries(move: Move, event_id: UUID) -> list[Entry]:
    statuses = [move.before.status, *(status for _, status in move.passes)]
    return [
        Entry(
            event_id=event_id,
            at=move.after.updated_at,
            what=what,
            before=statuses[place],
            after=status,
            line_item_id=move.line_item_id,
            reason=move.reason,
        )
        for place, (what, status) in enumerate(move.passes)
    ]


def _told(move: Move) -> dict[str, str | int]:
    told: dict[str, str | int] = {
        "from": move.before.status.value,
        "to": move.after.status.value,
        "total_cents": move.after.amounts.total_cents,
    }
    if move.line_item_id:
        told["line_item_id"] = str(move.line_item_id)
    if move.reason:
        told["reason"] = move.reason
    return told


async def _count(move: Move) -> None:
    for what, _ in move.passes:
        _moves.labels(what.value).inc()


async def _held(tx: Tx, scope: StoreScope | None, order_id: UUID) -> VendorOrder:
    order = await orders.lock(tx, order_id, scope)
    if order is None:
        raise NotFound
    return order
