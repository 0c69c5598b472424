"""What a quote needs to know of its products and vendors, in one round trip."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from catalog.domain.pricing import Tier
from catalog.domain.standing import Standing
from catalog.repo.stores import STANDINGS
from chassis.db import Reader, Record

GOODS = """
select p.id, p.store_id, p.title, p.category, p.strain, p.classification, p.unit, p.moq, p.max_qty, p.price_cents,
       p.thumbnail_url, p.is_active and p.deleted_at is null as is_live, i.available_qty,
       (select coalesce(json_agg(json_build_array(t.min_qty, t.discount_percent::text)), '[]')
          from product_volume_discounts t where t.product_id = p.id) as tiers
  from products p join inventory_items i on i.product_id = p.id
 where p.id = any($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Goods:
    """A product as a quote needs it; `row` holds what is only passed on."""

    row: Record
    tiers: Sequence[Tier]

    def __getitem__(self, name: str) -> Any:
        return self.row[name]


async def goods(db: Reader, product_ids: Sequence[UUID]) -> dict[UUID, Goods]:
    """Products by id, deleted ones too; an id that never existed is missing."""
    rows = await db.fetch(GOODS, list(product_ids))
    return {row["id"]: Goods(row, [Tier(low, Decimal(off)) for low, off in row["tiers"]]) for row in rows}


async def standings(db: Reader, store_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """The stores that the projection knows, by id."""
    return {row["store_id"]: Standing(**dict(row)) for row in await db.fetch(STANDINGS, list(store_ids))}
