"""What the vendor's side does with an order."""

from uuid import UUID

from chassis.answer import Answer
from chassis.web import OMP, OMPS, WEEK, Caller, Router, required, vendor
from orders.api.move_schemas import DecisionBody, LineDecisionBody
from orders.api.schemas import OrderDetail
from orders.queries.orders import order_detail
from orders.usecases import decisions, passages

router = Router(prefix="/api/v1/vendor/orders", tags=["vendor orders"])

MOVES = ("role_missing", "transition")


@router.post("/{order_id}/decision", allow=vendor(OMP), key=required(keep=WEEK), answers=OrderDetail, reasons=MOVES)
async def decide_order(call: Caller, order_id: UUID, body: DecisionBody) -> Answer:
    """Accepts every pending line, or rejects the whole order. The same decision again changes nothing."""
    async with call.transaction() as tx:
        await decisions.decide(tx, call.scope, order_id, body.decision.decision, body.notes)
        return tx.answer(await order_detail(tx, call.scope, order_id))


@router.post(
    "/{order_id}/line-items/decision",
    allow=vendor(OMP),
    key=required(keep=WEEK),
    answers=OrderDetail,
    reasons=MOVES,
)
async def decide_line(call: Caller, order_id: UUID, body: LineDecisionBody) -> Answer:
    """Accepts or rejects one line. The order is decided when no line waits any more."""
    async with call.transaction() as tx:
        await decisions.decide_one(tx, call.scope, order_id, body.line_item_id, body.decision.decision, body.notes)
        return tx.answer(await order_detail(tx, call.scope, order_id))


@router.post("/{order_id}/fulfill", allow=vendor(OMPS), key=required(keep=WEEK), answers=OrderDetail, reasons=MOVES)
async def fulfill_order(call: Caller, order_id: UUID) -> Answer:
    """What was accepted is packed, and waits for its agent. Packed already: nothing changes."""
    async with call.transaction() as tx:
        await passages.fulfill(tx, call.scope, order_id)
        return tx.answer(await order_detail(tx, call.scope, order_id))
