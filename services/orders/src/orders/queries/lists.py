"""A store's orders, page by page (spec 5.3)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.db import Reader, Record
from kernel.page import Page, binding, cut, decode_cursor, encode_cursor
from kernel.refusal import Invalid
from kernel.scope import StoreScope
from kernel.text import like_pattern
from orders.queries.orders import PAYMENT_STATUS, TOTAL_ITEMS, store_json


class Perspective(StrEnum):
    BUYER = "buyer"
    VENDOR = "vendor"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilters:
    """What narrows the list; None does not. `q` is an order number or a part of the other store's name."""

    order_status: str | None = None
    fulfillment_status: str | None = None
    shipping_status: str | None = None
    payment_status: str | None = None
    date_from: datetime | None = None
    date_to: datetime | None = None
    q: str | None = None
    actionable_statuses: tuple[str, ...] | None = None


_CONDITIONS = {
    "order_status": "orders.status = {value}",
    "fulfillment_status": "orders.fulfillment_status = {value}",
    "shipping_status": "orders.shipping_status = {value}",
    "payment_status": f"{PAYMENT_STATUS} = {{value}}",
    "date_from": "orders.created_at >= {value}",
    "date_to": "orders.created_at <= {value}",
    "actionable_statuses": "orders.status = any({value})",
}

_ROW = f"""
    'id', orders.id, 'order_number', orders.order_number, 'created_at', orders.created_at,
    'total_cents', orders.total_cents, 'discount_cents', orders.discounts_cents, 'total_items', {TOTAL_ITEMS},
    'order_status', orders.status, 'payment_status', {PAYMENT_STATUS},
    'fulfillment_status', orders.fulfillment_status, 'shipping_status', orders.shipping_status
"""

_BUYER_ROW = f"jsonb_build_object({_ROW}, 'vendor', {store_json('other')})"

_VENDOR_ROW = f"""jsonb_build_object({_ROW},
    'buyer', {store_json("other")}, 'delivered_at', orders.delivered_at, 'assignments', '[]'::jsonb,
    'shipping', jsonb_build_object('address', orders.shipping_address, 'line', orders.shipping_line)
)"""


@dataclass(frozen=True, slots=True)
class _Side:
    """Whose list it is: the column of the own store, that of the other, and what a row shows."""

    own: str
    other: str
    row: str


_SIDES = {
    Perspective.BUYER: _Side("buyer_store_id", "vendor_store_id", _BUYER_ROW),
    Perspective.VENDOR: _Side("vendor_store_id", "buyer_store_id", _VENDOR_ROW),
}


async def order_page(
    db: Reader,
    scope: StoreScope,
    perspective: Perspective,
    filters: OrderFilters,
    *,
    limit: int,
    cursor: str | None,
    with_total: bool,
) -> Page[str]:
    """Rows as JSON texts, newest first. A cursor fits only the list and filters it came from."""
    side = _SIDES[perspective]
    bound = binding("orders", {"side": side.own, "store": scope.store_id, **asdict(filters)})
    conditions, args = _conditions(scope, side, filters)
    source = f"from vendor_orders orders left join stores other on other.store_id = orders.{side.other}"
    total = await db.fetchval(f"select count(*) {source}{conditions}", *args) if with_total else None
    if cursor:
        args += _position(cursor, bound)
        conditions += f" and (orders.created_at, orders.id) < (${len(args) - 1}, ${len(args)})"
    select = f"select orders.id, orders.created_at, {side.row}::text as json {source}{conditions}"
    rows = await db.fetch(f"{select} order by orders.created_at desc, orders.id desc limit {limit + 1}", *args)
    page = cut(rows, limit, lambda row: _cursor(row, bound))
    return Page([row["json"] for row in page.rows], page.next, total)


def _conditions(scope: StoreScope, side: _Side, filters: OrderFilters) -> tuple[str, list[Any]]:
    args: list[Any] = [scope.store_id]
    conditions = [f"orders.{side.own} = $1"]
    for name, condition in _CONDITIONS.items():
        value = getattr(filters, name)
        if value is not None:
            args.append(list(value) if isinstance(value, tuple) else value)
            conditions.append(condition.format(value=f"${len(args)}"))
    if filters.q:
        args += [filters.q.removeprefix("#"), like_pattern(filters.q)]
        conditions.append(_search(len(args)))
    return f" where {' and '.join(conditions)}", args


def _search(last: int) -> str:
    name = rf"concat_ws(' ', other.company_name, other.dba_name) ilike ${last} escape '\'"
    return f"(orders.order_number::text = ${last - 1} or {name})"


def _cursor(row: Record, bound: str) -> str:
    return encode_cursor(bound, [row["created_at"].isoformat(), str(row["id"])])


def _position(cursor: str, bound: str) -> Sequence[Any]:
    at, order_id = decode_cursor(cursor, bound, 2)
    try:
        return [datetime.fromisoformat(at), UUID(order_id)]
    except (TypeError, ValueError, AttributeError) as error:
        raise Invalid.field("cursor") from error
