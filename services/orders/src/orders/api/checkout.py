"""From a cart to one order per vendor."""

from uuid import UUID

from chassis.answer import Answer, reply
from chassis.web import OMP, WEEK, Caller, Router, member, required
from kernel.refusal import Invalid
from orders import flows
from orders.api.schemas import CheckoutBody, Confirmation
from orders.domain.receipt import Checkout
from orders.domain.states import PaymentMethod
from orders.queries import orders as queries

router = Router(prefix="/api/v1/checkout", tags=["checkout"])

REASONS = (
    "not_verified",
    "store_suspended",
    "cart_converted",
    "quote_expired",
    "nothing_reservable",
    "attempt_in_progress",
    "attempt_aborted",
    "quantity",
)


@router.post(
    "", allow=member(OMP, verified=True), key=required(keep=WEEK), status=201, answers=Checkout, reasons=REASONS
)
async def check_out(call: Caller, body: CheckoutBody) -> Answer:
    """Reserves what can be had of every line and makes one order per vendor.

    A 503 means that the outcome is unknown: ask again with the same key, or read the confirmation by cart id.
    """
    if body.payment_method is PaymentMethod.ACH and not call.settings.ach_enabled:
        raise Invalid.field("payment_method")
    return await flows.check_out(call, body.model_dump(mode="json"))


@router.get("/{group_or_cart_id}/confirmation", allow=member(), answers=Confirmation)
async def read_confirmation(call: Caller, group_or_cart_id: UUID) -> Answer:
    """What a checkout became, by its group's id or its cart's."""
    async with call.reader() as db:
        return reply(await queries.confirmation(db, call.scope, group_or_cart_id))
