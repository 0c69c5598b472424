"""The cart of a buying store."""

from chassis.answer import Answer, no_content, reply
from chassis.web import OMP, Caller, Router, member, required
from contracts.catalog import QuoteItem
from kernel.refusal import Forbidden
from orders import flows
from orders.api.schemas import Cart, CartUpsert
from orders.clients.catalog import CatalogClient
from orders.queries import carts as queries
from orders.usecases import carts

router = Router(prefix="/api/v1/cart", tags=["cart"])

REASONS = ("not_verified", "store_suspended", "attempt_in_progress")


@router.post("", allow=member(OMP, verified=True), key=required(), answers=Cart, reasons=REASONS)
async def fill_cart(call: Caller, body: CartUpsert) -> Answer:
    """Replaces the cart's items, prices them, and honours the prices for 15 minutes."""
    return await _fill(call, body)


@router.put("", allow=member(OMP, verified=True), key=required(), answers=Cart, reasons=REASONS)
async def replace_cart(call: Caller, body: CartUpsert) -> Answer:
    """The same as POST."""
    return await _fill(call, body)


@router.get("", allow=member(), answers=Cart)
async def read_cart(call: Caller) -> Answer:
    async with call.reader() as db:
        return reply(await queries.active_cart(db, call.scope))


@router.delete("", allow=member(OMP), status=204, reasons=("attempt_in_progress",))
async def clear_cart(call: Caller) -> Answer:
    async with call.transaction() as tx:
        await carts.clear_cart(tx, call.scope)
    return no_content()


async def _fill(call: Caller, body: CartUpsert) -> Answer:
    if body.buyer_store_id not in {None, call.store_id}:
        raise Forbidden("role_missing", "a cart can be filled for the active store only")
    wanted = [QuoteItem(**item.model_dump()) for item in body.items]
    quote = await flows.quote(call.client(CatalogClient), call.scope, wanted, context=call)
    async with call.transaction() as tx:
        await carts.replace_cart(tx, call.scope, quote, {promo.vendor_store_id for promo in body.vendor_promos})
        return tx.answer(await queries.active_cart(tx, call.scope))
