"""Orders as either side reads them."""

from uuid import UUID

from chassis.answer import Answer, reply, reply_json_page
from chassis.web import OMP, WEEK, Call, Caller, Router, member, required
from kernel.refusal import Forbidden, Invalid
from kernel.scope import StoreType
from orders import flows
from orders.api.move_schemas import CancelBody, Nudged, Timeline
from orders.api.schemas import OrderDetail, OrderList, OrdersQuery
from orders.domain.receipt import RetryReceipt
from orders.domain.states import ACTIONABLE, OrderStatus
from orders.queries.lists import OrderFilters, Perspective, order_page
from orders.queries.orders import order_detail
from orders.queries.timelines import timeline
from orders.usecases import passages

router = Router(prefix="/api/v1/orders", tags=["orders"])

MOVES = ("role_missing", "transition")
RETRIES = (
    "not_verified",
    "store_suspended",
    "already_retried",
    "attempt_in_progress",
    "attempt_aborted",
    "nothing_reservable",
    "vendor_not_visible",
    "amount_too_large",
    "quantity",
)


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


@router.get("/{order_id}/timeline", allow=member(), answers=Timeline)
async def read_timeline(call: Caller, order_id: UUID) -> Answer:
    """Everything that happened to an order, oldest first. Each side reads the names of its own side only."""
    async with call.reader() as db:
        return reply(await timeline(db, call.scope, order_id))


@router.post("/{order_id}/cancel", allow=member(OMP), key=required(keep=WEEK), answers=OrderDetail, reasons=MOVES)
async def cancel_order(call: Caller, order_id: UUID, body: CancelBody) -> Answer:
    """Possible until an agent has picked it up. Canceled already: nothing changes."""
    async with call.transaction() as tx:
        await passages.cancel(tx, call.scope, order_id, body.reason)
        return tx.answer(await order_detail(tx, call.scope, order_id))


@router.post(
    "/{order_id}/nudge",
    allow=member(OMP),
    key=required(),
    status=202,
    answers=Nudged,
    reasons=(*MOVES, "nudged_already"),
)
async def nudge_order(call: Caller, order_id: UUID) -> Answer:
    """Asks the vendor to decide, once in 24 hours."""
    async with call.transaction() as tx:
        await passages.nudge(tx, call.scope, order_id, call.user)
        return tx.answer({"nudged": True})


@router.post(
    "/{order_id}/retry",
    allow=member(OMP, verified=True),
    key=required(keep=WEEK),
    status=201,
    answers=RetryReceipt,
    reasons=(*MOVES, *RETRIES),
)
async def retry_order(call: Caller, order_id: UUID) -> Answer:
    """Makes an expired order anew, at the prices of today; once. A 503 means that the outcome is unknown."""
    return await flows.retry(call, order_id)


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
