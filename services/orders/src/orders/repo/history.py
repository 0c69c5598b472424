"""The history of orders: append-only rows, one per thing that happened."""

from collections.abc import Sequence

from chassis.db import Tx
from chassis.ids import new_id
from orders.domain.history import Entry, actor_kind
from orders.domain.order import VendorOrder

_WRITE = """
insert into order_status_history (
    id, order_id, event_id, what, from_status, to_status, line_item_id, actor, actor_kind, at, reason
)
select id, order_id, event_id, what, from_status, to_status, line_item_id, $2, actor_kind, at, reason
from jsonb_to_recordset($1::jsonb) as new (
    id uuid, order_id uuid, event_id uuid, what text, from_status text, to_status text, line_item_id uuid,
    actor_kind text, at timestamptz, reason text
)
"""


async def write(tx: Tx, entries: Sequence[tuple[VendorOrder, Entry]]) -> None:
    """Entries with the orders they are about, in the order things happened; who acts is the transaction's actor."""
    rows = [
        {
            "id": str(new_id()),
            "order_id": str(order.id),
            "event_id": str(entry.event_id),
            "what": entry.what,
            "from_status": entry.before,
            "to_status": entry.after,
            "line_item_id": entry.line_item_id and str(entry.line_item_id),
            "actor_kind": actor_kind(tx.actor, order),
            "at": entry.at.isoformat(),
            "reason": entry.reason,
        }
        for order, entry in entries
    ]
    await tx.run(_WRITE, rows, str(tx.actor))
