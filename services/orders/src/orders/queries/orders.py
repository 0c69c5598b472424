"""One order, or one checkout, as either of its sides may see it.

Until finance tells of the first payment intent, payment_status follows from the method and payment_intent is null
(spec 5.1); an assignment is null until logistics exists.
"""

from typing import Any
from uuid import UUID

from chassis.db import Reader
from kernel.refusal import NotFound
from kernel.scope import StoreScope

PAYMENT_STATUS = "case orders.payment_method when 'cash' then 'unpaid' else 'pending' end"
TOTAL_ITEMS = """(
    select count(*) from order_line_items line where line.order_id = orders.id and line.status <> 'rejected'
)"""


def store_json(alias: str) -> str:
    """A store as rows show it; null while this service has not heard of it."""
    return f"""case when {alias}.store_id is not null then jsonb_build_object(
        'id', {alias}.store_id, 'company_name', {alias}.company_name, 'dba_name', {alias}.dba_name,
        'logo_url', {alias}.logo_url, 'address', {alias}.address, 'phone', {alias}.phone
    ) end"""


_LINES = """(
    select coalesce(jsonb_agg(jsonb_build_object(
        'id', line.id, 'product_id', line.product_id, 'name', line.name, 'thumbnail', line.thumbnail,
        'category', line.category, 'strain', line.strain, 'classification', line.classification, 'unit', line.unit,
        'unit_price_cents', line.unit_price_cents, 'quantity', line.qty, 'discount_cents', line.discount_cents,
        'total_cents', line.total_cents, 'status', line.status, 'notes', line.notes
    ) order by line.id), '[]')
    from order_line_items line where line.order_id = orders.id
)"""

_DETAIL = f"""
select jsonb_build_object(
    'order', to_jsonb(orders) - case when orders.vendor_store_id = $2 then '{{}}' else '{{internal_notes}}' end::text[]
        || jsonb_build_object('payment_status', {PAYMENT_STATUS}, 'total_items', {TOTAL_ITEMS}),
    'line_items', {_LINES},
    'payment_intent', null, 'active_assignment', null,
    'buyer_store', {store_json("buyer")}, 'vendor_store', {store_json("vendor")}
)
from vendor_orders orders
left join stores buyer on buyer.store_id = orders.buyer_store_id
left join stores vendor on vendor.store_id = orders.vendor_store_id
where orders.id = $1 and ($2::uuid is null or $2 in (orders.buyer_store_id, orders.vendor_store_id))
"""

_CONFIRMATION = f"""
select jsonb_build_object(
    'checkout_group_id', checkout.id, 'cart_id', checkout.cart_id,
    'vendor_orders', (
        select coalesce(jsonb_agg(jsonb_build_object(
            'order_id', orders.id, 'order_number', orders.order_number, 'vendor_store_id', orders.vendor_store_id,
            'status', orders.status, 'payment_status', {PAYMENT_STATUS}, 'payment_method', orders.payment_method,
            'amount_cents', orders.total_cents, 'balance_due_cents', orders.balance_due_cents,
            'fulfillment_status', orders.fulfillment_status, 'shipping_status', orders.shipping_status,
            'payment_intent', null, 'active_assignment', null, 'subtotal_cents', orders.subtotal_cents,
            'total_cents', orders.total_cents, 'warnings', orders.warnings, 'promo', orders.promo, 'items', {_LINES}
        ) order by orders.order_number), '[]')
        from vendor_orders orders where orders.checkout_group_id = checkout.id
    ),
    'cart_vendor_groups', (
        select coalesce(jsonb_agg(to_jsonb(vendor) - '{{id,cart_id}}'::text[] order by vendor.id), '[]')
        from cart_vendor_groups vendor where vendor.cart_id = checkout.cart_id
    )
)
from checkout_groups checkout where (checkout.id = $1 or checkout.cart_id = $1) and checkout.buyer_store_id = $2
"""


async def order_detail(db: Reader, scope: StoreScope, order_id: UUID) -> dict[str, Any]:
    """Raises `NotFound` for an order of other stores. Only the vendor's side sees internal notes."""
    return await _found(db, _DETAIL, order_id, scope)


async def order_detail_for_house(db: Reader, order_id: UUID) -> dict[str, Any]:
    """As an admin sees it: whoever its stores are, and without internal notes. Raises `NotFound`."""
    return await _found(db, _DETAIL, order_id, None)


async def confirmation(db: Reader, scope: StoreScope, group_or_cart_id: UUID) -> dict[str, Any]:
    """The checkout a buyer's cart became; raises `NotFound` while it has not become one."""
    return await _found(db, _CONFIRMATION, group_or_cart_id, scope)


async def _found(db: Reader, statement: str, key: UUID, scope: StoreScope | None) -> dict[str, Any]:
    found: dict[str, Any] | None = await db.fetchval(statement, key, scope.store_id if scope else None)
    if found is None:
        raise NotFound
    return found
