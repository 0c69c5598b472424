"""Vendor orders with their lines and history, written and read as whole orders."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from chassis.db import Reader, Tx
from chassis.ids import new_id
from kernel.scope import Actor, StoreScope
from orders.domain.attempt import Attempt
from orders.domain.order import Amounts, Line, VendorOrder

_ORDER = TypeAdapter(VendorOrder)
_LINES = TypeAdapter(tuple[Line, ...])
_AMOUNTS = [field.name for field in fields(Amounts)]

# The cart is locked before the attempt, as by whoever opens, takes over or aborts an attempt on a cart: two that met in
# opposite order would wait for each other.
_COMMIT = """
with locked as materialized (
    select id from cart_records where id = $6 for update
), moved as (
    update checkout_attempts set state = 'committed', updated_at = clock_now()
    where id = $1 and state = 'reserving' and (select count(*) from locked) >= 0
    returning id, buyer_store_id, cart_id, request
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
        shipping_line, warnings, nudge_due_at, expires_at, created_at, updated_at
    )
    select
        new.id, 1, moved.cart_id, moved.id, moved.buyer_store_id, vendor_store_id, currency, status, refund_status,
        fulfillment_status, shipping_status, payment_method, subtotal_cents, discounts_cents, tax_cents,
        transport_fee_cents, shipping_cents, tip_cents, total_cents, balance_due_cents, shipping_address,
        shipping_line, warnings, $2::timestamptz + interval '5 days', $2::timestamptz + interval '10 days', $2, $2
    from moved, jsonb_to_recordset($3::jsonb) as new (
        id uuid, vendor_store_id uuid, currency text, status text, refund_status text, fulfillment_status text,
        shipping_status text, payment_method text, subtotal_cents bigint, discounts_cents bigint, tax_cents bigint,
        transport_fee_cents bigint, shipping_cents bigint, tip_cents bigint, total_cents bigint,
        balance_due_cents bigint, shipping_address jsonb, shipping_line jsonb, warnings jsonb
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
    insert into order_status_history (id, order_id, to_status, actor, at)
    select gen_random_uuid(), id, status, $5, $2 from placed
)
select id, order_number from placed
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

_DECIDE = """
with decided as (
    update vendor_orders
    set status = $2, version = $3, subtotal_cents = $4, discounts_cents = $5, shipping_cents = $6, tip_cents = $7,
        total_cents = $8, balance_due_cents = $9, shipping_line = $10, notes = $11, updated_at = $12
    where id = $1
), lines as (
    update order_line_items line
    set status = new.status, line_subtotal_cents = new.line_subtotal_cents, discount_cents = new.discount_cents,
        total_cents = new.total_cents, applied_volume_discount = new.applied_volume_discount, notes = new.notes,
        updated_at = $12
    from jsonb_to_recordset($13::jsonb) as new (
        id uuid, status text, line_subtotal_cents bigint, discount_cents bigint, total_cents bigint,
        applied_volume_discount jsonb, notes text
    )
    where line.id = new.id and line.order_id = $1
)
insert into order_status_history (id, order_id, from_status, to_status, actor, at, reason)
values ($14, $1, $15, $2, $16, $12, $17)
"""


_WANTING_LINES = """
select line.id, line.order_id
from order_line_items line join vendor_orders orders on orders.id = line.order_id
where orders.checkout_group_id = $1 and line.status <> 'rejected' and orders.status not in ('canceled', 'expired')
"""


@dataclass(frozen=True, slots=True)
class Sides:
    """The two stores of an order whose row this transaction holds."""

    buyer_store_id: UUID
    vendor_store_id: UUID


async def commit_checkout(tx: Tx, attempt: Attempt, orders: Sequence[VendorOrder]) -> list[VendorOrder]:
    """Moves the attempt from reserving to committed and writes group, orders, lines and history; converts the cart.

    One statement. Answers the orders with their numbers; none when the attempt was not reserving any more, and then
    nothing was written.
    """
    lines = [
        {**row, "order_id": str(order.id)} for order in orders for row in _LINES.dump_python(order.lines, mode="json")
    ]
    new = [_order_row(order) for order in orders]
    rows = await tx.fetch(_COMMIT, attempt.id, tx.now, new, lines, str(attempt.actor), attempt.cart_id)
    numbers = {row["id"]: row["order_number"] for row in rows}
    return [replace(order, order_number=numbers[order.id]) for order in orders if order.id in numbers]


async def lock(tx: Tx, scope: StoreScope, order_id: UUID) -> Sides | None:
    """Takes the order's row, when the store is one of its two sides; None for any other, as if it did not exist."""
    row = await tx.fetchrow(
        "select buyer_store_id, vendor_store_id from vendor_orders "
        "where id = $1 and $2 in (buyer_store_id, vendor_store_id) for update",
        order_id,
        scope.store_id,
    )
    return Sides(**row) if row else None


async def load(tx: Tx, scope: StoreScope, order_id: UUID) -> VendorOrder:
    """The order as it stands now; called after `lock`, so that its lines are as current as its row."""
    row = await tx.fetchrow(
        f"{_LOAD} where orders.id = $1 and $2 in (buyer_store_id, vendor_store_id)", order_id, scope.store_id
    )
    assert row is not None  # noqa: S101  the caller holds the row's lock
    return _order(dict(row))


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


async def wanting_lines(tx: Tx, group_id: UUID) -> dict[UUID, UUID]:
    """The vendor order of each line of a checkout that still wants its stock."""
    return {row["id"]: row["order_id"] for row in await tx.fetch(_WANTING_LINES, group_id)}


async def save_decision(tx: Tx, before: VendorOrder, after: VendorOrder, actor: Actor, reason: str | None) -> None:
    """Writes what a decision changed, with its history row; the caller holds the row's lock."""
    changed = [line for line, former in zip(after.lines, before.lines, strict=True) if line != former]
    amounts = after.amounts
    await tx.run(
        _DECIDE,
        after.id,
        after.status.value,
        after.version,
        amounts.subtotal_cents,
        amounts.discounts_cents,
        amounts.shipping_cents,
        amounts.tip_cents,
        amounts.total_cents,
        after.balance_due_cents,
        after.shipping_line,
        after.notes,
        after.updated_at,
        _LINES.dump_python(tuple(changed), mode="json"),
        new_id(),
        before.status.value,
        str(actor),
        reason,
    )


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
