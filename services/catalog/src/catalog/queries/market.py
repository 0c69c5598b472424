"""What a buyer sees: products of visible vendors in the buyer's own state (spec 4.2)."""

from uuid import UUID

from catalog.queries.details import PRIVATE, Detail, read_detail
from catalog.queries.listing import Conditions, Filters, Paging, SortName, product_page
from catalog.queries.shapes import FROM, PRODUCT, SUMMARY
from catalog.repo.gate import visible
from catalog.repo.stores import STATE_OF
from chassis.db import Reader
from kernel.page import Page
from kernel.scope import StoreScope

BUYER_STATE = "(select b.state from stores b where b.store_id = $2)"

READ_PRODUCT = f"""
select row_to_json(r)::text as item, {PRIVATE}
  from (
    select {PRODUCT} {FROM}
     where p.id = $1 and {visible(state=BUYER_STATE, buyer="$2")}
  ) r
"""


async def browse(
    db: Reader, scope: StoreScope, *, state: str, sort: SortName, filters: Filters, paging: Paging
) -> Page[str]:
    """A page of the market of `state`; it is empty when the store that asks sits in another one."""
    conditions = Conditions(args=[state, scope.store_id])
    conditions.require(visible(state="$1", buyer="$2"))
    conditions.require(f"{BUYER_STATE} = $1")
    conditions.narrow(filters, scope.store_id)
    return await product_page(
        db, SUMMARY, conditions, name=f"market {state}", sort=sort, filters=filters, paging=paging
    )


async def product(db: Reader, scope: StoreScope, product_id: UUID) -> Detail | None:
    """One product; None when this store may not see it, or there is no such product."""
    return await read_detail(db, READ_PRODUCT, product_id, scope.store_id)


async def state_of(db: Reader, store_id: UUID) -> str | None:
    """The state of a store, as far as the projection knows it."""
    state: str | None = await db.fetchval(STATE_OF, store_id)
    return state
