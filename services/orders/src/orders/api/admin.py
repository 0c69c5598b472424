"""What the house does with an order that cannot go on."""

from uuid import UUID

from chassis.answer import Answer
from chassis.web import ADMIN, WEEK, Caller, Router, required
from orders.api.move_schemas import AdminCancelBody
from orders.api.schemas import OrderDetail
from orders.queries.orders import order_detail_for_house
from orders.usecases import passages

router = Router(prefix="/api/v1/admin/orders", tags=["admin"])


@router.post("/{order_id}/cancel", allow=ADMIN, key=required(keep=WEEK), answers=OrderDetail, reasons=("transition",))
async def cancel_order_as_admin(call: Caller, order_id: UUID, body: AdminCancelBody) -> Answer:
    """As a buyer's cancel, and also on the road, once finance has rejected the payment."""
    async with call.transaction() as tx:
        await passages.cancel_by_admin(tx, order_id, body.reason)
        return tx.answer(await order_detail_for_house(tx, order_id))
