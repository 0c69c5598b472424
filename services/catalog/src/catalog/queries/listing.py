"""Lists of products: filters, sorts and keyset pages (spec 1.4, 4.2).

A list is one SQL text for its sort and the filters that are present, so that each has the plan that suits it. Values
are always arguments, except the limit: a plan for an unknown limit is made for a tenth of the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from catalog.queries.shapes import FROM, HAS_PROMO
from chassis.db import Reader, Record
from kernel.page import Page, binding, cut, decode_cursor, encode_cursor
from kernel.refusal import Invalid
from kernel.text import like_pattern

SortName = Literal["newest", "price_asc", "price_desc", "title"]


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of products: the expression over `p`, the same over the finished row `r`, and how a cursor keeps it."""

    column: str
    of_row: str
    direction: Literal["asc", "desc"]
    read: Callable[[str], Any]

    @property
    def order(self) -> str:
        return f"{self.column} {self.direction}, p.id {self.direction}"

    @property
    def beyond(self) -> str:
        """Strictly after the row of the cursor."""
        sign = ">" if self.direction == "asc" else "<"
        return f"({self.column}, p.id) {sign} ({{}}, {{}})"


SORTS: Mapping[str, Sort] = {
    "newest": Sort("p.created_at", "r.created_at", "desc", datetime.fromisoformat),
    "price_asc": Sort("p.price_cents", "r.price_cents", "asc", int),
    "price_desc": Sort("p.price_cents", "r.price_cents", "desc", int),
    "title": Sort("lower(p.title)", "lower(r.title)", "asc", str),
}

NEAR = """(
    select near.delivery_radius_meters = 0 or ST_DWithin(near.geom, buyer.geom, near.delivery_radius_meters)
      from stores near, stores buyer
     where near.store_id = p.store_id and buyer.store_id = {})"""
"""The vendor delivers to the whole state, or its radius reaches the buyer; whose point may be unknown."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a client may ask of a list; None asks nothing."""

    category: str | None = None
    classification: str | None = None
    price_min_cents: int | None = None
    price_max_cents: int | None = None
    thc_min: Decimal | None = None
    thc_max: Decimal | None = None
    cbd_min: Decimal | None = None
    cbd_max: Decimal | None = None
    has_promo: bool | None = None
    q: str | None = None
    vendor_store_id: UUID | None = None
    deliverable: bool | None = None

    def asked(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}


CONDITIONS: Mapping[str, str] = {
    "category": "p.category = {}",
    "classification": "p.classification = {}",
    "price_min_cents": "p.price_cents >= {}",
    "price_max_cents": "p.price_cents <= {}",
    "thc_min": "p.thc_percent >= {}",
    "thc_max": "p.thc_percent <= {}",
    "cbd_min": "p.cbd_percent >= {}",
    "cbd_max": "p.cbd_percent <= {}",
    "vendor_store_id": "p.store_id = {}",
}


@dataclass(slots=True)
class Conditions:
    """SQL conditions joined by `and`, with their arguments in order."""

    texts: list[str] = field(default_factory=list)
    args: list[Any] = field(default_factory=list)

    def require(self, text: str, *values: Any) -> None:
        """Each `{}` in the text stands for the next value."""
        places = []
        for value in values:
            self.args.append(value)
            places.append(f"${len(self.args)}")
        self.texts.append(text.format(*places))

    def narrow(self, filters: Filters, buyer_store_id: UUID | None = None) -> None:
        asked = filters.asked()
        for name, value in asked.items():
            if name in CONDITIONS:
                self.require(CONDITIONS[name], value)
        if filters.has_promo is not None:
            self.require(HAS_PROMO if filters.has_promo else f"not ({HAS_PROMO})")
        if filters.q:
            pattern = like_pattern(filters.q)
            self.require("(p.title ilike {} or p.sku ilike {})", pattern, pattern)
        if filters.deliverable and buyer_store_id:
            self.require(NEAR, buyer_store_id)

    @property
    def where(self) -> str:
        return " and ".join(self.texts)


@dataclass(frozen=True, slots=True)
class Paging:
    limit: int
    cursor: str | None = None
    with_total: bool = False


async def product_page(
    db: Reader, columns: str, conditions: Conditions, *, name: str, sort: SortName, filters: Filters, paging: Paging
) -> Page[str]:
    """One page of JSON texts. The cursor is bound to the list's name, its sort and its filters."""
    order = SORTS[sort]
    bound_to = binding(name, {"sort": sort, **filters.asked()})
    total = await _total(db, conditions) if paging.with_total else None
    if paging.cursor:
        conditions.require(order.beyond, *read_cursor(paging.cursor, bound_to, order.read))
    rows = await db.fetch(page_statement(columns, conditions.where, order, paging.limit), *conditions.args)
    page = cut(rows, paging.limit, lambda row: _cursor_after(row, bound_to))
    return Page([row["item"] for row in page.rows], page.next, total)


def page_statement(columns: str, where: str, order: Sort, limit: int) -> str:
    """Fetches one row more than the page, which tells whether more follow."""
    return f"""
        select r.id, {order.of_row} as sort_value, row_to_json(r)::text as item
          from (select {columns} {FROM} where {where} order by {order.order} limit {limit + 1}) r"""


async def _total(db: Reader, conditions: Conditions) -> int:
    count: int = await db.fetchval(f"select count(*) from products p where {conditions.where}", *conditions.args)
    return count


def _cursor_after(row: Record, bound_to: str) -> str:
    value = row["sort_value"]
    return encode_cursor(bound_to, [value.isoformat() if isinstance(value, datetime) else value, str(row["id"])])


def read_cursor(cursor: str, bound_to: str, read: Callable[[Any], Any]) -> tuple[Any, UUID]:
    """The sort value and id of a cursor of this list; anything else is `Invalid`."""
    value, row_id = decode_cursor(cursor, bound_to, 2)
    try:
        return read(value), UUID(row_id)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Invalid.field("cursor") from error
