"""Opening, taking over, giving up and resolving checkout attempts (spec 12.6)."""

from typing import Any
from uuid import UUID

from chassis.db import Tx
from chassis.ids import new_id
from contracts.orders import CheckoutAborted, ResolveAnswer
from kernel.refusal import Conflict, Invalid, NotFound
from kernel.scope import StoreScope
from orders.domain.attempt import Attempt, attempt_in_progress, nothing_reservable
from orders.domain.checkout import TOTAL_CENTS_MAX, past_limit, shipping_cents_of
from orders.domain.states import AttemptState, CartStatus
from orders.repo import attempts, carts, orders


class UnknownBuyerError(Exception):
    """This service has not heard of the buying store yet; its owner has to be asked first."""


async def open_attempt(tx: Tx, scope: StoreScope, request: dict[str, Any], claim: dict[str, Any]) -> Attempt:
    """A new attempt on the cart, claimed for 20 s; or this same client's lapsed one, with its own ids.

    `request` is the validated body, `claim` the scope of the client's idempotency record. Raises `NotFound` for the
    cart, `Conflict` when it is converted, its quote has expired, nothing in it can be had, or another attempt lives,
    and `Invalid` when it would charge more than a checkout may.
    Quote validity is judged only when an attempt opens.
    """
    cart = await carts.lock(tx, scope, UUID(request["cart_id"]))
    if cart is None:
        raise NotFound
    if cart.status != CartStatus.ACTIVE:
        raise Conflict("cart_converted", "this cart has been checked out")
    opening = await carts.opening(tx, scope, cart.id)
    if opening.live is not None:
        return await _take_over(tx, opening.live, claim)
    if cart.expired:
        raise Conflict("quote_expired", "the quote of this cart has expired")
    attempt = _planned(tx, scope, opening, request, claim)
    if not await attempts.insert(tx, attempt):
        raise attempt_in_progress()
    return attempt


async def _take_over(tx: Tx, live: dict[str, Any], claim: dict[str, Any]) -> Attempt:
    attempt = await attempts.take_claim(tx, UUID(live["id"]), new_id()) if live["scope"] == claim else None
    if attempt is None:
        raise attempt_in_progress()
    return attempt


def _planned(
    tx: Tx, scope: StoreScope, opening: carts.Opening, request: dict[str, Any], claim: dict[str, Any]
) -> Attempt:
    parts = opening.parts()
    if not any(part.pending for part in parts):
        raise nothing_reservable(parts)
    too_much = past_limit(parts, tip_cents=request["tip_cents"], shipping_cents=shipping_cents_of(request))
    if too_much:
        raise Invalid.field(too_much, f"takes the checkout past {TOTAL_CENTS_MAX} cents")
    if opening.buyer_state is None:
        raise UnknownBuyerError
    return Attempt(
        id=new_id(),
        buyer_store_id=scope.store_id,
        buyer_state=opening.buyer_state,
        cart_id=UUID(request["cart_id"]),
        request=request,
        actor=tx.actor,
        scope=claim,
        parts=parts,
        claim_token=new_id(),
    )


async def take_claim(tx: Tx, attempt_id: UUID) -> Attempt | None:
    """The attempt of a process that died, to be finished without the client; None when it needs nobody any more."""
    return await attempts.take_claim(tx, attempt_id, new_id())


async def let_go(tx: Tx, attempt: Attempt) -> None:
    await attempts.let_go(tx, attempt)


async def abort(tx: Tx, attempt_id: UUID, reason: str, *, lapsed_only: bool = False) -> bool:
    """Gives the attempt up for good: whatever catalog holds for it is released by the event. False: it had ended."""
    aborted = await attempts.abort(tx, attempt_id, lapsed_only=lapsed_only)
    if aborted is None:
        return False
    tx.emit(CheckoutAborted(checkout_id=attempt_id, buyer_store_id=aborted.buyer_store_id, line_ids=aborted.line_ids))
    tx.audit("checkout.aborted", "checkout", attempt_id, {"reason": reason})
    return True


async def free_cart(tx: Tx, cart_id: UUID) -> None:
    """Makes sure that no attempt lives on a locked cart: a lapsed one is aborted, a claimed one is a `Conflict`."""
    live = await attempts.live(tx, cart_id)
    if live is None:
        return
    if not live.lapsed or not await abort(tx, live.id, "cart_changed", lapsed_only=True):
        raise attempt_in_progress()


async def resolve(tx: Tx, attempt_id: UUID) -> ResolveAnswer:
    """What became of a checkout, for the keeper of its stock.

    The question itself aborts an attempt whose claim has lapsed, and buries an id that never was: neither can commit
    afterwards, so "aborted" stays true.
    """
    if await attempts.bury(tx, attempt_id) or await abort(tx, attempt_id, "resolved", lapsed_only=True):
        return ResolveAnswer(outcome="aborted")
    state = await attempts.state_of(tx, attempt_id)
    if state == AttemptState.COMMITTED:
        return ResolveAnswer(outcome="committed", order_ids=await orders.wanting_lines(tx, attempt_id))
    return ResolveAnswer(outcome="open" if state == AttemptState.RESERVING else "aborted")
