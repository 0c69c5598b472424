"""Orders as either side reads them."""

from uuid import UUID

from chassis.answer import Answer, reply, reply_json_page
from chassis.web import Call, Caller, Router, member
from kernel.refusal import Forbidden, Invalid
from kernel.scope import StoreType
from orders.api.schemas import OrderDetail, OrderList, OrdersQuery
from orders.domain.states import ACTIONABLE, OrderStatus
from orders.queries.lists import OrderFilters, Perspective, order_page
from orders.queries.orders import order_detail

router = Router(prefix="/api/v1/orders", tags=["orders"])


@router.get("", allow=member(), answers=OrderList, reasons=("role_missing",))
async def list_orders(call: Caller, query: OrdersQuery) -> Answer:
    """The store's orders, newest first; a vendor store may look at what it bought with `perspective=buyer`."""
    perspective = _perspective(call, query)
    filters = OrderFilters(
        order_status=query.order_status,
        fulfillment_status=query.fulfillment_status,
        shipping_status=query.shipping_status,
        payment_status=query.payment_status,
        date_from=query.date_from,
        date_to=query.date_to,
        q=query.q,
        actionable_statuses=_actionable(query.actionable_statuses, perspective),
    )
    async with call.reader() as db:
        page = await order_page(
            db,
            call.scope,
            perspective,
            filters,
            limit=query.limit,
            cursor=query.cursor,
            with_total=query.with_total,
        )
    return reply_json_page("orders", page)


@router.get("/{order_id}", allow=member(), answers=OrderDetail)
async def read_order(call: Caller, order_id: UUID) -> Answer:
    async with call.reader() as db:
        return reply(await order_detail(db, call.scope, order_id))


def _perspective(call: Call, query: OrdersQuery) -> Perspective:
    is_vendor = call.store_type is StoreType.VENDOR
    if query.perspective is Perspective.VENDOR and not is_vendor:
        raise Forbidden("role_missing", "a buyer store has no vendor side")
    return query.perspective or (Perspective.VENDOR if is_vendor else Perspective.BUYER)


def _actionable(given: list[str] | None, perspective: Perspective) -> tuple[OrderStatus, ...] | None:
    """The "needs action" list is the vendor's. Without any status it is what waits for a decision or for packing."""
    if given is None:
        return None
    words = [word for text in given for word in text.split(",") if word]
    if perspective is Perspective.BUYER or not set(words) <= set(OrderStatus):
        raise Invalid.field("actionable_statuses")
    return tuple(OrderStatus(word) for word in words) or ACTIONABLE
