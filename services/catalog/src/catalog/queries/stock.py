"""Looks at stock as a whole: holds that are overdue, and counters that do not agree with the rows that explain them."""

from collections.abc import Sequence
from uuid import UUID

from catalog.repo.reservations import OVERDUE
from chassis.db import Reader, Record

DRIFT = """
with live as materialized (
    select product_id, sum(qty) as reserved from reservations where state in ('held', 'confirmed') group by product_id
), explained as (
    select i.product_id, i.available_qty, i.reserved_qty,
           coalesce(moved.available, 0) as available_moved, coalesce(moved.reserved, 0) as reserved_moved,
           coalesce(live.reserved, 0) as reserved_live
      from (
        select * from inventory_items where $1::uuid is null or product_id > $1 order by product_id limit $2
      ) i
      left join lateral (
        select sum(available_delta) as available, sum(reserved_delta) as reserved
          from inventory_movements where product_id = i.product_id
      ) moved on true
      left join live using (product_id)
)
select * from explained order by product_id
"""


async def overdue_checkouts(db: Reader, limit: int) -> list[UUID]:
    """Checkouts with a hold past its time, the longest overdue first."""
    return [row["checkout_id"] for row in await db.fetch(OVERDUE, limit)]


async def explained_counters(db: Reader, *, after: UUID | None, limit: int) -> Sequence[Record]:
    """Counters beside what movements and live reservations say they must be, in product id order.

    One statement, so that counters and rows are of one moment and running trade shows no false drift.
    """
    return await db.fetch(DRIFT, after, limit)
