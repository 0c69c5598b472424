"""Looks at stock as a whole: holds that are overdue, and counters that do not agree with the rows that explain them."""

from collections.abc import Sequence
from uuid import UUID

from catalog.repo.reservations import OVERDUE
from chassis.db import Reader, Record

DRIFT = """
with explained as (
    select i.product_id, i.available_qty, i.reserved_qty,
           coalesce((select sum(m.available_delta) from inventory_movements m where m.product_id = i.product_id), 0) as available_moved,
           coalesce((select sum(m.reserved_delta) from inventory_movements m where m.product_id = i.product_id), 0) as reserved_moved,
           coalesce((select sum(r.qty) from reservations r
                      where r.product_id = i.product_id and r.state in ('held', 'confirmed')), 0) as reserved_live
      from inventory_items i
     where $1::uuid is null or i.product_id > $1
     order by i.product_id
     limit $2
)
select * from explained
"""


async def overdue_checkouts(db: Reader, limit: int) -> list[UUID]:
    """Checkouts with a hold past its time, the longest overdue first."""
    return [row["checkout_id"] for row in await db.fetch(OVERDUE, limit)]


async def explained_counters(db: Reader, *, after: UUID | None, limit: int) -> Sequence[Record]:
    """Counters beside what movements and live reservations say they must be, in product id order.

    One statement, so that counters and rows are of one moment and running trade shows no false drift.
    """
    return await db.fetch(DRIFT, after, limit)
