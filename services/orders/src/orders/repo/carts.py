"""Carts by store: at most one is active; a converted one is never changed again."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from contracts.catalog import QuotedItem
from contracts.values import VolumeDiscount, Warned
from kernel.scope import StoreScope
from orders.domain.cart import QuotedCart, QuotedGroup
from orders.domain.checkout import VendorPart, as_quoted
from orders.domain.order import Line

_OPEN_ACTIVE = """
insert into cart_records (
    id, buyer_store_id, status, tip_cents, subtotal_cents, discounts_cents, total_cents, valid_until
)
values ($1, $2, 'active', 0, 0, 0, 0, clock_now() + interval '15 minutes')
on conflict (buyer_store_id) where status = 'active' do update set updated_at = clock_now()
returning id
"""

_LOCK_ACTIVE = "select id from cart_records where buyer_store_id = $1 and status = 'active' for update"

_LOCK = """
select id, status, valid_until <= clock_now() as expired
from cart_records where id = $1 and buyer_store_id = $2 for update
"""

_TAKE_OUT = """
with items as (
    delete from cart_items where cart_id = $1 returning product_id, unit_price_cents, status
), groups as (
    delete from cart_vendor_groups where cart_id = $1
)
select product_id, unit_price_cents from items where status = 'ok'
"""

_PUT_IN = """
with items as (
    insert into cart_items (
        id, cart_id, product_id, vendor_store_id, vendor_store_name, unit, quantity, moq, max_qty, title, category,
        strain, classification, thumbnail, unit_price_cents, effective_unit_price_cents, line_discounts_cents,
        line_subtotal_cents, line_total_cents, applied_volume_discount, status, warnings
    )
    select
        id, $1, product_id, vendor_store_id, vendor_store_name, unit, quantity, moq, max_qty, title, category,
        strain, classification, thumbnail, unit_price_cents, effective_unit_price_cents, line_discounts_cents,
        line_subtotal_cents, line_total_cents, applied_volume_discount, status, warnings
    from jsonb_to_recordset($2::jsonb) as item (
        id uuid, product_id uuid, vendor_store_id uuid, vendor_store_name text, unit text, quantity bigint, moq bigint,
        max_qty bigint, title text, category text, strain text, classification text, thumbnail text,
        unit_price_cents bigint, effective_unit_price_cents bigint, line_discounts_cents bigint,
        line_subtotal_cents bigint, line_total_cents bigint, applied_volume_discount jsonb, status text, warnings jsonb
    )
), groups as (
    insert into cart_vendor_groups (
        id, cart_id, vendor_store_id, status, warnings, subtotal_cents, line_discounts_cents, promo_discount_cents,
        discounts_cents, total_cents
    )
    select
        id, $1, vendor_store_id, status, warnings, subtotal_cents, line_discounts_cents, 0,
        discounts_cents, total_cents
    from jsonb_to_recordset($3::jsonb) as vendor (
        id uuid, vendor_store_id uuid, status text, warnings jsonb, subtotal_cents bigint, line_discounts_cents bigint,
        discounts_cents bigint, total_cents bigint
    )
)
update cart_records
set subtotal_cents = $4, discounts_cents = $5, total_cents = $6, updated_at = clock_now(),
    valid_until = clock_now() + interval '15 minutes'
where id = $1
"""

_OPENING = """
select
    (
        select jsonb_build_object('id', id, 'scope', idempotency_scope)
        from checkout_attempts where cart_id = $1 and state = 'reserving'
    ) as live,
    (select state from stores where store_id = $2 and not deleted) as buyer_state,
    coalesce(
        (select jsonb_agg(to_jsonb(item) order by item.id) from cart_items item where item.cart_id = $1), '[]'
    ) as items,
    coalesce(
        (
            select jsonb_object_agg(vendor.vendor_store_id, vendor.warnings)
            from cart_vendor_groups vendor where vendor.cart_id = $1
        ), '{}'
    ) as warnings
"""


@dataclass(frozen=True, slots=True)
class Opening:
    """What decides whether an attempt may open: the live one ({id, scope}) if there is one, the buyer, the content."""

    live: dict[str, Any] | None
    buyer_state: str | None
    items: list[dict[str, Any]]
    warnings: dict[str, list[dict[str, Any]]]

    def parts(self) -> tuple[VendorPart, ...]:
        """The cart as the lines of a checkout, by vendor in the cart's order; each line has its own new id."""
        by_vendor: dict[str, list[Line]] = {}
        for item in self.items:
            by_vendor.setdefault(item["vendor_store_id"], []).append(_line(item))
        return tuple(
            VendorPart(UUID(vendor), _warned(self.warnings.get(vendor, [])), tuple(lines))
            for vendor, lines in by_vendor.items()
        )


@dataclass(frozen=True, slots=True)
class LockedCart:
    """A cart whose row this transaction holds. `expired`: its quote is no longer honoured."""

    id: UUID
    status: str
    expired: bool


async def open_active(tx: Tx, scope: StoreScope) -> UUID:
    """The store's active cart, locked; a new empty one when there is none."""
    cart_id: UUID = await tx.fetchval(_OPEN_ACTIVE, new_id(), scope.store_id)
    return cart_id


async def lock_active(tx: Tx, scope: StoreScope) -> UUID | None:
    cart_id: UUID | None = await tx.fetchval(_LOCK_ACTIVE, scope.store_id)
    return cart_id


async def lock(tx: Tx, scope: StoreScope, cart_id: UUID) -> LockedCart | None:
    row = await tx.fetchrow(_LOCK, cart_id, scope.store_id)
    return LockedCart(**row) if row else None


async def take_out(tx: Tx, cart_id: UUID) -> dict[UUID, int]:
    """Empties a locked cart; answers the unit prices its ok items were quoted at, by product."""
    return {row["product_id"]: row["unit_price_cents"] for row in await tx.fetch(_TAKE_OUT, cart_id)}


async def put_in(tx: Tx, cart_id: UUID, quoted: QuotedCart) -> None:
    """Fills an emptied cart; its quote is honoured for 15 minutes from now."""
    await tx.run(
        _PUT_IN,
        cart_id,
        [_item_row(item, quoted.names.get(item.vendor_store_id, "")) for item in quoted.items],
        [_group_row(group) for group in quoted.groups],
        quoted.subtotal_cents,
        quoted.discounts_cents,
        quoted.total_cents,
    )


async def remove(tx: Tx, cart_id: UUID) -> None:
    await tx.run("delete from cart_records where id = $1", cart_id)


async def opening(tx: Tx, scope: StoreScope, cart_id: UUID) -> Opening:
    """Everything about a locked cart, in one round trip."""
    row = await tx.fetchrow(_OPENING, cart_id, scope.store_id)
    assert row is not None  # noqa: S101  a select of scalars always has its row
    return Opening(**row)


def _item_row(item: QuotedItem, vendor_name: str) -> dict[str, Any]:
    row = item.model_dump(mode="json", exclude={"discount_percent"})
    return {"id": str(new_id()), "vendor_store_name": vendor_name, **row}


def _group_row(group: QuotedGroup) -> dict[str, Any]:
    return {
        "id": str(new_id()),
        "vendor_store_id": str(group.vendor_store_id),
        "status": group.status,
        "warnings": [warning.model_dump() for warning in group.warnings],
        "subtotal_cents": group.subtotal_cents,
        "line_discounts_cents": group.line_discounts_cents,
        "discounts_cents": group.discounts_cents,
        "total_cents": group.total_cents,
    }


_SAME_NAMES = ("category", "strain", "classification", "unit", "thumbnail", "moq", "max_qty")


def _line(item: dict[str, Any]) -> Line:
    discount = item["applied_volume_discount"]
    line = Line(
        id=new_id(),
        product_id=UUID(item["product_id"]),
        cart_item_id=UUID(item["id"]),
        name=item["title"],
        unit_price_cents=item["unit_price_cents"],
        qty=item["quantity"],
        line_subtotal_cents=item["line_subtotal_cents"],
        discount_cents=item["line_discounts_cents"],
        total_cents=item["line_total_cents"],
        applied_volume_discount=VolumeDiscount(**discount) if discount else None,
        warnings=_warned(item["warnings"]),
        **{name: item[name] for name in _SAME_NAMES},
    )
    return as_quoted(line, item["status"])


def _warned(found: list[dict[str, Any]]) -> tuple[Warned, ...]:
    return tuple(Warned(**warning) for warning in found)
