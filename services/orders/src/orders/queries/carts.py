"""The active cart as its owner sees it."""

from typing import Any

from chassis.db import Reader
from kernel.refusal import NotFound
from kernel.scope import StoreScope

_ACTIVE = """
select jsonb_build_object(
    'id', cart.id, 'buyer_store_id', cart.buyer_store_id, 'checkout_group_id', cart.checkout_group_id,
    'status', cart.status, 'shipping_address', cart.shipping_address, 'billing_address', cart.billing_address,
    'currency', cart.currency, 'valid_until', cart.valid_until, 'subtotal_cents', cart.subtotal_cents,
    'discounts_cents', cart.discounts_cents, 'total_cents', cart.total_cents, 'tip_cents', cart.tip_cents,
    'ad_tokens', cart.ad_tokens,
    'vendor_groups', (
        select coalesce(jsonb_agg(to_jsonb(vendor) - '{id,cart_id}'::text[] order by vendor.id), '[]')
        from cart_vendor_groups vendor where vendor.cart_id = cart.id
    ),
    'items', (
        select coalesce(jsonb_agg(to_jsonb(item) - 'cart_id' order by item.id), '[]')
        from cart_items item where item.cart_id = cart.id
    ),
    'created_at', cart.created_at, 'updated_at', cart.updated_at
)
from cart_records cart where cart.buyer_store_id = $1 and cart.status = 'active'
"""


async def active_cart(db: Reader, scope: StoreScope) -> dict[str, Any]:
    """Raises `NotFound` when the store has none."""
    cart: dict[str, Any] | None = await db.fetchval(_ACTIVE, scope.store_id)
    if cart is None:
        raise NotFound
    return cart
