"""Statements about products and their stock. Every one that reads a vendor's own rows takes the vendor's store id."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, insert, update
from sqlalchemy import func as sql

from catalog.repo.tables import Product
from kernel.scope import StoreScope

FACTS = (
    "p.id as product_id, p.version, p.deleted_at is not null as deleted, p.store_id, p.sku, p.title, p.category,"
    " p.classification, p.unit, p.price_cents, p.is_active, p.thumbnail_url"
)
"""What `product_changed` says, but for `in_stock`."""

MARKET_OF = "select state from stores where store_id = $1 and is_visible for share"
"""The state in whose market a store sells. The lock keeps a change of its standing behind the product that asks."""

INSERT_TIERS = """
insert into product_volume_discounts (store_id, product_id, min_qty, discount_percent)
select $1, $2, tier.min_qty, tier.discount_percent
  from unnest($3::int[], $4::numeric[]) as tier (min_qty, discount_percent)
"""

DELETE_TIERS = "delete from product_volume_discounts where product_id = $1"

INSERT_STOCK = """
with stocked as (
    insert into inventory_items (product_id, available_qty, low_stock_threshold) values ($1, $2, $3)
    returning product_id
)
insert into inventory_movements (product_id, kind, available_delta, reserved_delta, actor_user_id)
select product_id, 'initial', $2, 0, $4::uuid from stocked
"""

LOCK = """
select p.*, (
           select coalesce(json_agg(json_build_object('min_qty', min_qty, 'discount_percent', discount_percent::text)
                  order by min_qty), '[]') from product_volume_discounts where product_id = p.id
       ) as volume_discounts
  from products p
 where p.id = $1 and p.store_id = $2 and p.deleted_at is null
   for no key update of p
"""

DELETE = f"""
with gone as (
    update products
       set deleted_at = clock_now(), updated_at = clock_now(), version = version + 1,
           coa_media_id = null, coa_attachment_id = null, thumbnail_url = null
     where id = $1
    returning *
)
select {FACTS}, i.available_qty > 0 as in_stock from gone p join inventory_items i on i.product_id = p.id
"""

READ_FACTS = f"""
select {FACTS}, i.available_qty > 0 as in_stock
  from products p join inventory_items i on i.product_id = p.id where p.id = $1
"""

SNAPSHOTS = f"""
select {FACTS}, i.available_qty > 0 as in_stock
  from products p join inventory_items i on i.product_id = p.id
 where ($1::uuid is null or p.id = $1) and ($2::uuid is null or p.id > $2)
 order by p.id
 limit $3
"""

LOCK_STOCK = """
select i.product_id, i.available_qty, i.reserved_qty, i.low_stock_threshold, i.version
  from inventory_items i join products p on p.id = i.product_id
 where i.product_id = $1 and p.store_id = $2 and p.deleted_at is null
   for update of i
"""

SET_STOCK = """
with written as (
    update inventory_items
       set available_qty = $2, low_stock_threshold = $3, version = version + 1, updated_at = clock_now()
     where product_id = $1
    returning product_id, available_qty, reserved_qty, low_stock_threshold, version, updated_at
), moved as (
    insert into inventory_movements (product_id, kind, available_delta, reserved_delta, actor_user_id)
    values ($1, 'set', $4, 0, $5::uuid)
)
select * from written
"""

LOCK_PRODUCTS = """
select p.id from products p
 where p.id = any($1::uuid[])
    or (p.store_id = any($2::uuid[]) and p.visible_in is distinct from
        (select s.state from stores s where s.store_id = p.store_id and s.is_visible))
 order by p.id
   for no key update
"""

RAISE_VERSIONS = f"""
with changed as (update products set version = version + 1 where id = any($1::uuid[]) returning *)
select {FACTS}, i.available_qty > 0 as in_stock
  from changed p join inventory_items i on i.product_id = p.id order by p.id
"""
"""Reads the counters as the statement found them, so it is a statement of its own, after the one that moved them."""

SHOW_OR_HIDE = """
update products p
   set visible_in = (select s.state from stores s where s.store_id = p.store_id and s.is_visible)
 where p.store_id = any($1::uuid[]) and p.visible_in is distinct from
       (select s.state from stores s where s.store_id = p.store_id and s.is_visible)
"""


def insertion(values: Mapping[str, Any]) -> Executable:
    return insert(Product.__table__).values(**values)  # type: ignore[attr-defined]


def change(product_id: UUID, values: Mapping[str, Any]) -> Executable:
    """Sets the named columns and raises the version."""
    table = Product.__table__  # type: ignore[attr-defined]
    raised = {"version": table.c.version + 1, "updated_at": sql.clock_now()}
    return update(table).where(table.c.id == product_id).values(**values, **raised)


def tier_columns(tiers: Sequence[tuple[int, Decimal]]) -> tuple[list[int], list[Decimal]]:
    return [min_qty for min_qty, _ in tiers], [percent for _, percent in tiers]


def own(product_id: UUID, scope: StoreScope) -> tuple[UUID, UUID]:
    """The arguments of LOCK and LOCK_STOCK."""
    return product_id, scope.store_id
