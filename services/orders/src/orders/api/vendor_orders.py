"""What the vendor's side does with an order."""

from uuid import UUID

from chassis.answer import Answer
from chassis.web import OMP, WEEK, Caller, Router, required, vendor
from orders.api.schemas import DecisionBody, OrderDetail
from orders.queries.orders import order_detail
from orders.usecases import decisions

router = Router(prefix="/api/v1/vendor/orders", tags=["vendor orders"])


@router.post(
    "/{order_id}/decision",
    allow=vendor(OMP),
    key=required(keep=WEEK),
    answers=OrderDetail,
    reasons=("role_missing", "transition"),
)
async def decide_order(call: Caller, order_id: UUID, body: DecisionBody) -> Answer:
    """Accepts every pending line, or rejects the whole order. The same decision again changes nothing."""
    async with call.transaction() as tx:
        await decisions.decide(tx, call.scope, order_id, body.decision.decision, body.notes)
        return tx.answer(await order_detail(tx, call.scope, order_id))
