"""The whole history of one order, as either of its sides may read it (spec 5.3)."""

from typing import Any
from uuid import UUID

from chassis.db import Reader
from kernel.refusal import NotFound
from kernel.scope import StoreScope

ROWS_MAX = 1000
"""More than an order can have: 200 lines, each accepted and rejected, and a nudge a day."""

_TIMELINE = f"""
select jsonb_build_object('items', (
    select coalesce(jsonb_agg(jsonb_build_object(
        'at', row.at, 'event_id', row.event_id, 'what', row.what, 'from', row.from_status, 'to', row.to_status,
        'line_item_id', row.line_item_id, 'actor', jsonb_build_object('kind', row.actor_kind, 'name', case
            when row.actor_kind = 'buyer' and orders.buyer_store_id = $2 then own.company_name
            when row.actor_kind = 'vendor' and orders.vendor_store_id = $2 then own.company_name
        end)
    ) order by row.at, row.id), '[]')
    from (
        select * from order_status_history where order_id = orders.id order by at, id limit {ROWS_MAX}
    ) as row
))
from vendor_orders orders left join stores own on own.store_id = $2
where orders.id = $1 and $2 in (orders.buyer_store_id, orders.vendor_store_id)
"""


async def timeline(db: Reader, scope: StoreScope, order_id: UUID) -> dict[str, Any]:
    """What happened, oldest first; of the other side only that it acted. Raises `NotFound` for other stores' orders."""
    found: dict[str, Any] | None = await db.fetchval(_TIMELINE, order_id, scope.store_id)
    if found is None:
        raise NotFound
    return found
