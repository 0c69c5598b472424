"""What an order's history keeps of each thing that happened to it (spec 5.1, 5.3 timeline)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from kernel.scope import Actor, SystemRole
from orders.domain.order import VendorOrder
from orders.domain.states import ActorKind, Deed, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of history. `event_id` is the event that told it; `before` is None for an order that is new."""

    event_id: UUID
    at: datetime
    what: Deed
    before: OrderStatus | None
    after: OrderStatus
    line_item_id: UUID | None = None
    reason: str | None = None


def actor_kind(actor: Actor, order: VendorOrder) -> ActorKind:
    """The side that acts, as both sides may know it; whatever is no person is the system."""
    if actor.kind != "user":
        return ActorKind.SYSTEM
    if actor.role in set(SystemRole):
        return ActorKind(actor.role)
    sides = {order.buyer_store_id: ActorKind.BUYER, order.vendor_store_id: ActorKind.VENDOR}
    return sides.get(actor.store_id, ActorKind.SYSTEM) if actor.store_id else ActorKind.SYSTEM
