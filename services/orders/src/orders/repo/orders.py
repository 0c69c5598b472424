"""Vendor orders with their lines and history, written and read as whole orders."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from chassis.db import Reader, Tx
from kernel.scope import StoreScope
from orders.domain.attempt import Attempt
from orders.domain.order import Amounts, Line, VendorOrder

_ORDER = TypeAdapter(VendorOrder)
_LINES = TypeAdapter(tuple[Line, ...])
_AMOUNTS = [field.name for field in fields(Amounts)]

# The cart, or the order that is retried, is locked before the attempt, as by whoever opens, takes over or aborts an
# attempt on it: two that met in opposite order would wait for each other.
_COMMIT = """
with locked as materialized (
    select id from cart_records where id = $5 for update
), former as materialized (
    select id from vendor_orders where id = $6 for update
), moved as (
    update checkout_attempts set state = 'committed', updated_at = clock_now()
    where id = $1 and state = 'reserving' and (select count(*) from locked) + (select count(*) from former) >= 0
    returning id, buyer_store_id, cart_id, retry_of_order_id, request
), checkout as (
    insert into checkout_groups (
        id, buyer_store_id, cart_id, shipping_address, billing_address, payment_method, tip_cents, shipping_line,
        created_at
    )
    select
        id, buyer_store_id, cart_id, request -> 'shipping_address', nullif(request -> 'billing_address', 'null'),
        request ->> 'payment_method', (request ->> 'tip_cents')::bigint, nullif(request -> 'shipping_line', 'null'), $2
    from moved
), cart as (
    update cart_records
    set status = 'converted', converted_at = $2, updated_at = $2, checkout_group_id = moved.id,
        shipping_address = moved.request -> 'shipping_address',
        billing_address = nullif(moved.request -> 'billing_address', 'null'),
        payment_method = moved.request ->> 'payment_method', tip_cents = (moved.request ->> 'tip_cents')::bigint,
        shipping_line = nullif(moved.request -> 'shipping_line', 'null')
    from moved where cart_records.id = moved.cart_id
), placed as (
    insert into vendor_orders (
        id, version, cart_id, checkout_group_id, buyer_store_id, vendor_store_id, currency, status, refund_status,
        fulfillment_status, shipping_status, payment_method, subtotal_cents, discounts_cents, tax_cents,
        transport_fee_cents, shipping_cents, tip_cents, total_cents, balance_due_cents, shipping_address,
        shipping_line, warnings, retried_from_order_id, nudge_due_at, expires_at, created_at, updated_at
    )
    select
        new.id, 1, moved.cart_id, moved.id, moved.buyer_store_id, vendor_store_id, currency, status, refund_status,
        fulfillment_status, shipping_status, payment_method, subtotal_cents, discounts_cents, tax_cents,
        transport_fee_cents, shipping_cents, tip_cents, total_cents, balance_due_cents, shipping_address,
        shipping_line, warnings, retry_of_order_id, nudge_due_at, expires_at, $2, $2
    from moved, jsonb_to_recordset($3::jsonb) as new (
        id uuid, vendor_store_id uuid, currency text, status text, refund_status text, fulfillment_status text,
        shipping_status text, payment_method text, subtotal_cents bigint, discounts_cents bigint, tax_cents bigint,
        transport_fee_cents bigint, shipping_cents bigint, tip_cents bigint, total_cents bigint,
        balance_due_cents bigint, shipping_address jsonb, shipping_line jsonb, warnings jsonb,
        nudge_due_at timestamptz, expires_at timestamptz
    )
    returning id, order_number, status
), lines as (
    insert into order_line_items (
        id, order_id, product_id, cart_item_id, name, category, strain, classification, unit, thumbnail,
        unit_price_cents, qty, moq, max_qty, discount_cents, line_subtotal_cents, total_cents,
        applied_volume_discount, warnings, status, notes, created_at, updated_at
    )
    select
        new.id, order_id, product_id, cart_item_id, name, category, strain, classification, unit, thumbnail,
        unit_price_cents, qty, moq, max_qty, discount_cents, line_subtotal_cents, total_cents,
        applied_volume_discount, warnings, status, notes, $2, $2
    from moved, jsonb_to_recordset($4::jsonb) as new (
        id uuid, order_id uuid, product_id uuid, cart_item_id uuid, name text, category text, strain text,
        classification text, unit text, thumbnail text, unit_price_cents bigint, qty bigint, moq bigint, max_qty bigint,
        discount_cents bigint, line_subtotal_cents bigint, total_cents bigint, applied_volume_discount jsonb,
        warnings jsonb, status text, notes text
    )
), history as (
    insert into order_status_history (id, order_id, event_id, what, to_status, actor, actor_kind, at)
    select event_id, new.id, event_id, 'created', status, $7, 'buyer', $2
    from moved, jsonb_to_recordset($3::jsonb) as new (id uuid, event_id uuid, status text)
)
select id, order_number from placed
"""

_LOCK = """
select id from vendor_orders
where id = $1 and ($2::uuid is null or $2 in (buyer_store_id, vendor_store_id)) for update
"""

_LOAD = """
select
    orders.*,
    (
        select coalesce(jsonb_agg(to_jsonb(line) order by line.id), '[]')
        from order_line_items line where line.order_id = orders.id
    ) as lines
from vendor_orders orders
"""

_CHANGING = {
    "status": "text", "version": "bigint", "fulfillment_status": "text", "shipping_status": "text",
    "subtotal_cents": "bigint", "discounts_cents": "bigint", "shipping_cents": "bigint", "tip_cents": "bigint",
    "total_cents": "bigint", "balance_due_cents": "bigint", "shipping_line": "jsonb", "notes": "text",
    "cancel_reason": "text", "updated_at": "timestamptz", "nudged_at": "timestamptz", "expires_at": "timestamptz",
    "buyer_nudged_at": "timestamptz", "fulfilled_at": "timestamptz", "in_transit_at": "timestamptz",
    "delivered_at": "timestamptz", "canceled_at": "timestamptz", "expired_at": "timestamptz",
    "closed_at": "timestamptz",
}  # fmt: skip
"""Every column that a move of an order may change, with its type."""

_SAVE = f"""
with moved as (
    update vendor_orders orders set {", ".join(f"{name} = new.{name}" for name in _CHANGING)}
    from jsonb_to_record($2::jsonb) as new ({", ".join(f"{name} {kind}" for name, kind in _CHANGING.items())})
    where orders.id = $1
)
update order_line_items line
set status = new.status, line_subtotal_cents = new.line_subtotal_cents, discount_cents = new.discount_cents,
    total_cents = new.total_cents, applied_volume_discount = new.applied_volume_discount, notes = new.notes,
    updated_at = $4
from jsonb_to_recordset($3::jsonb) as new (
    id uuid, status text, line_subtotal_cents bigint, discount_cents bigint, total_cents bigint,
    applied_volume_discount jsonb, notes text
)
where line.id = new.id and line.order_id = $1
"""

_DUE = """
select id from vendor_orders
where status = 'created_pending' and nudge_due_at <= clock_now() and nudged_at is null and id > $1
union
select id from vendor_orders
where status = 'created_pending' and expires_at <= clock_now() and nudged_at is not null and id > $1
order by id limit $2
"""

_WANTING_LINES = """
select line.id, line.order_id
from order_line_items line join vendor_orders orders on orders.id = line.order_id
where orders.checkout_group_id = $1 and line.status <> 'rejected' and orders.status not in ('canceled', 'expired')
"""


async def commit_checkout(
    tx: Tx, attempt: Attempt, orders: Sequence[VendorOrder], event_ids: Mapping[UUID, UUID]
) -> list[VendorOrder]:
    """Moves the attempt from reserving to committed and writes group, orders, lines and history; converts the cart.

    One statement; `event_ids` are the ids that order_created will have, by order. Answers the orders with their
    numbers; none when the attempt was not reserving any more, and then nothing was written.
    """
    lines = [
        {**row, "order_id": str(order.id)} for order in orders for row in _LINES.dump_python(order.lines, mode="json")
    ]
    new = [{**_order_row(order), "event_id": str(event_ids[order.id])} for order in orders]
    rows = await tx.fetch(
        _COMMIT, attempt.id, tx.now, new, lines, attempt.cart_id, attempt.retry_of_order_id, str(attempt.actor)
    )
    numbers = {row["id"]: row["order_number"] for row in rows}
    return [replace(order, order_number=numbers[order.id]) for order in orders if order.id in numbers]


async def lock(tx: Tx, order_id: UUID, scope: StoreScope | None) -> VendorOrder | None:
    """Takes the order's row and reads it whole; None when the store of the scope is none of its two sides.

    Without a scope the house asks: an admin, or a clock. The lines are read once the lock is held, so that they are as
    current as the row.
    """
    store_id = scope.store_id if scope else None
    if await tx.fetchval(_LOCK, order_id, store_id) is None:
        return None
    row = await tx.fetchrow(f"{_LOAD} where orders.id = $1", order_id)
    assert row is not None  # noqa: S101  this transaction holds the row's lock
    return _order(dict(row))


async def due(db: Reader, *, after: UUID, limit: int) -> list[UUID]:
    """Undecided orders whose vendor is to be reminded, and reminded ones whose time is over, in id order."""
    return [row["id"] for row in await db.fetch(_DUE, after, limit)]


async def page(db: Reader, *, only: UUID | None, after: UUID | None, limit: int) -> list[VendorOrder]:
    """Orders of every store in id order; for snapshots, which are no tenant's question."""
    rows = await db.fetch(
        f"{_LOAD} where ($1::uuid is null or orders.id = $1) and ($2::uuid is null or orders.id > $2) "
        "order by orders.id limit $3",
        only,
        after,
        limit,
    )
    return [_order(dict(row)) for row in rows]


async def billing_address(tx: Tx, scope: StoreScope, group_id: UUID) -> dict[str, Any] | None:
    """Where the invoice of a buyer's own checkout goes, if it goes elsewhere than the goods."""
    address: dict[str, Any] | None = await tx.fetchval(
        "select billing_address from checkout_groups where id = $1 and buyer_store_id = $2", group_id, scope.store_id
    )
    return address


async def wanting_lines(tx: Tx, group_id: UUID) -> dict[UUID, UUID]:
    """The vendor order of each line of a checkout that still wants its stock."""
    return {row["id"]: row["order_id"] for row in await tx.fetch(_WANTING_LINES, group_id)}


async def save(tx: Tx, before: VendorOrder, after: VendorOrder) -> None:
    """Writes what a move changed of the order and its lines; the caller holds the row's lock."""
    changed = [line for line, former in zip(after.lines, before.lines, strict=True) if line != former]
    new = {name: value for name, value in _order_row(after).items() if name in _CHANGING}
    await tx.run(_SAVE, after.id, new, _LINES.dump_python(tuple(changed), mode="json"), after.updated_at)


def _order_row(order: VendorOrder) -> dict[str, Any]:
    row: dict[str, Any] = _ORDER.dump_python(order, mode="json", exclude={"lines", "amounts"})
    for name in _AMOUNTS:
        row[name] = getattr(order.amounts, name)
    return {**row, "total_cents": order.amounts.total_cents}


def _order(row: dict[str, Any]) -> VendorOrder:
    amounts = {name: row.pop(name) for name in _AMOUNTS}
    known = {field.name for field in fields(VendorOrder)}
    kept = {name: value for name, value in row.items() if name in known}
    lines = [{name: value for name, value in line.items() if name in _LINE_FIELDS} for line in row["lines"]]
    return _ORDER.validate_python({**kept, "amounts": amounts, "lines": lines})


_LINE_FIELDS = {field.name for field in fields(Line)}
