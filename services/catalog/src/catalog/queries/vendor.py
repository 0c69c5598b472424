"""What a vendor sees of its own goods and stock (spec 4.2)."""

from datetime import datetime
from uuid import UUID

from catalog.queries.details import PRIVATE, Detail, read_detail
from catalog.queries.listing import Conditions, Filters, Paging, SortName, product_page, read_cursor
from catalog.queries.shapes import FROM, VENDOR_PRODUCT, VENDOR_SUMMARY
from catalog.repo.products import SNAPSHOTS
from chassis.db import Reader, Record
from contracts.catalog import ProductChanged
from kernel.page import Page, binding, cut, encode_cursor
from kernel.refusal import NotFound
from kernel.scope import StoreScope

READ_PRODUCT = f"""
select row_to_json(r)::text as item, {PRIVATE}
  from (select {VENDOR_PRODUCT} {FROM} where p.id = $1 and p.store_id = $2 and p.deleted_at is null) r
"""

OWNS_PRODUCT = "select exists (select from products where id = $1 and store_id = $2 and deleted_at is null)"


async def products(db: Reader, scope: StoreScope, *, sort: SortName, filters: Filters, paging: Paging) -> Page[str]:
    """The store's products, inactive ones too."""
    return await product_page(
        db, VENDOR_SUMMARY, _own(scope, filters), name="vendor products", sort=sort, filters=filters, paging=paging
    )


async def product(db: Reader, scope: StoreScope, product_id: UUID) -> Detail:
    """One product; `NotFound` when it is not this store's."""
    found = await read_detail(db, READ_PRODUCT, product_id, scope.store_id)
    if found is None:
        raise NotFound
    return found


def _own(scope: StoreScope, filters: Filters) -> Conditions:
    conditions = Conditions()
    conditions.require("p.store_id = {} and p.deleted_at is null", scope.store_id)
    conditions.narrow(filters)
    return conditions


async def inventory(db: Reader, scope: StoreScope, *, low_stock: bool | None, paging: Paging) -> Page[str]:
    """Stock of the store's products, the newest product first."""
    bound_to = binding("inventory", {"low_stock": low_stock})
    conditions = _own(scope, Filters())
    if low_stock is not None:
        sign = "<=" if low_stock else ">"
        conditions.require(f"i.available_qty {sign} i.low_stock_threshold")
    total = await _count(db, conditions) if paging.with_total else None
    if paging.cursor:
        conditions.require(
            "(p.created_at, p.id) < ({}, {})", *read_cursor(paging.cursor, bound_to, datetime.fromisoformat)
        )
    rows = await db.fetch(_inventory_statement(conditions.where, paging.limit), *conditions.args)
    return _texts(cut(rows, paging.limit, lambda row: _after(row, bound_to)), total)


def _inventory_statement(where: str, limit: int) -> str:
    return f"""
        select r.id, r.created_at,
               json_build_object('product', r, 'available_qty', s.available_qty, 'reserved_qty', s.reserved_qty,
                   'low_stock_threshold', s.low_stock_threshold, 'version', s.version, 'updated_at', s.updated_at
               )::text as item
          from (
            select {VENDOR_SUMMARY} {FROM} where {where} order by p.created_at desc, p.id desc limit {limit + 1}
          ) r
          join inventory_items s on s.product_id = r.id
         order by r.created_at desc, r.id desc"""


async def _count(db: Reader, conditions: Conditions) -> int:
    count: int = await db.fetchval(f"select count(*) {FROM} where {conditions.where}", *conditions.args)
    return count


async def movements(db: Reader, scope: StoreScope, product_id: UUID, paging: Paging) -> Page[str]:
    """Every change of one product's stock, the newest first; `NotFound` when the product is not this store's."""
    if not await db.fetchval(OWNS_PRODUCT, product_id, scope.store_id):
        raise NotFound
    bound_to = binding("movements", {"product_id": product_id})
    conditions = Conditions()
    conditions.require("m.product_id = {}", product_id)
    total = None
    if paging.with_total:
        total = await db.fetchval("select count(*) from inventory_movements m where m.product_id = $1", product_id)
    if paging.cursor:
        conditions.require(
            "(m.created_at, m.id) < ({}, {})", *read_cursor(paging.cursor, bound_to, datetime.fromisoformat)
        )
    rows = await db.fetch(_movements_statement(conditions.where, paging.limit), *conditions.args)
    return _texts(cut(rows, paging.limit, lambda row: _after(row, bound_to)), total)


def _movements_statement(where: str, limit: int) -> str:
    return f"""
        select r.id, r.created_at, row_to_json(r)::text as item
          from (
            select m.id, m.kind, m.available_delta, m.reserved_delta, held.order_id, m.actor_user_id, m.created_at
              from inventory_movements m
              left join reservations held on held.id = m.reservation_id
             where {where}
             order by m.created_at desc, m.id desc
             limit {limit + 1}
          ) r"""


def _after(row: Record, bound_to: str) -> str:
    return encode_cursor(bound_to, [row["created_at"].isoformat(), str(row["id"])])


def _texts(page: Page[Record], total: int | None) -> Page[str]:
    return Page([row["item"] for row in page.rows], page.next, total)


async def product_snapshots(
    db: Reader, *, only: UUID | None = None, after: UUID | None = None, limit: int = 200
) -> list[ProductChanged]:
    """Every product as `product_changed` tells it, deleted ones as tombstones, in id order."""
    return [ProductChanged(**dict(row)) for row in await db.fetch(SNAPSHOTS, only, after, limit)]
