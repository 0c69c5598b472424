"""Questions of other services."""

from uuid import UUID

from chassis.answer import Answer
from chassis.web import Caller, Router, no_key, services
from contracts.orders import ResolveAnswer
from orders.usecases import attempts

router = Router(prefix="/internal/v1/checkouts", tags=["internal"])


@router.post("/{checkout_id}/resolve", allow=services("catalog"), key=no_key(), answers=ResolveAnswer)
async def resolve_checkout(call: Caller, checkout_id: UUID) -> Answer:
    """Committed, aborted or open. The question itself aborts what nobody works on, so that "aborted" stays true."""
    async with call.transaction() as tx:
        return tx.answer(await attempts.resolve(tx, checkout_id))
