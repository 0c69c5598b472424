"""Filling and clearing a store's cart (spec 5.4, 12.5)."""

from collections.abc import Collection
from uuid import UUID

from chassis.db import Tx
from contracts.catalog import QuoteAnswer
from kernel.refusal import NotFound
from kernel.scope import StoreScope
from orders.domain.cart import quoted_cart
from orders.repo import carts
from orders.usecases import attempts


async def replace_cart(tx: Tx, scope: StoreScope, quote: QuoteAnswer, promos: Collection[UUID]) -> None:
    """The store's active cart becomes what the quote says, honoured for 15 minutes; a first one is opened.

    Raises `Conflict` (attempt_in_progress) while the cart is being checked out; an attempt nobody works on is aborted.
    """
    cart_id = await carts.open_active(tx, scope)
    await attempts.free_cart(tx, cart_id)
    former_prices = await carts.take_out(tx, cart_id)
    await carts.put_in(tx, cart_id, quoted_cart(quote, former_prices, promos))


async def clear_cart(tx: Tx, scope: StoreScope) -> None:
    """Removes the active cart. Raises `NotFound` without one, and `Conflict` while it is being checked out."""
    cart_id = await carts.lock_active(tx, scope)
    if cart_id is None:
        raise NotFound
    await attempts.free_cart(tx, cart_id)
    await carts.remove(tx, cart_id)
