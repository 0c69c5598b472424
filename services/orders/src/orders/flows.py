"""Checkout, the saga that must never lie (spec 12.6, 12.11): several transactions with calls to catalog between them.

Whatever is killed, an attempt ends committed or aborted: a flow that dies leaves a claim that lapses, and the next who
takes it (the client's retry, or the completer) goes on with the same ids. The answer belongs to the idempotency record
named by the attempt, so that the client reads it whoever finished.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from chassis import idempotency
from chassis.answer import Answer, refused, reply
from chassis.calls import CallContext
from chassis.db import CommitUnknown, Database, Tx
from chassis.failpoints import failpoint
from chassis.idempotency import Claim, Scope
from chassis.telemetry import counter
from chassis.web import WEEK, Call
from contracts.catalog import QuoteAnswer, QuoteItem, QuoteRequest, ReserveAnswer
from kernel.refusal import Conflict, Forbidden, NotFound, Refusal, Unavailable
from kernel.scope import Actor, StoreScope
from orders.clients.catalog import CatalogClient
from orders.clients.identity import IdentityClient
from orders.domain.attempt import Attempt, attempt_aborted, refusal_for
from orders.domain.receipt import retry_receipt
from orders.domain.retry import items_again
from orders.repo.attempts import LapsedAttempt
from orders.usecases import attempts, checkouts, retries, views

Opening = Callable[[Tx], Awaitable[Attempt]]

_outcomes = counter("checkouts_total", "Checkouts by how they ended: committed, or the reason", ("outcome",))
_refused_lines = counter("reserve_refusals_total", "Lines of checkouts that catalog could not reserve", ("reason",))


async def quote(
    catalog: CatalogClient, scope: StoreScope, items: list[QuoteItem], *, context: CallContext
) -> QuoteAnswer:
    """Prices for a cart, from catalog; nothing is kept."""
    return await catalog.quote(QuoteRequest(buyer_store_id=scope.store_id, items=items), context=context)


async def check_out(call: Call, request: dict[str, Any]) -> Answer:
    """The answer of POST /checkout; `request` is the validated body as JSON values.

    Raises a `Refusal` when no attempt may be opened, and `Unavailable` when catalog gives no answer: then the outcome
    is unknown to the client, and the completer or a retry with the same key finds it.
    """
    claim = _claim(call)

    async def open_attempt(tx: Tx) -> Attempt:
        return await attempts.open_attempt(tx, call.scope, request, claim.scope.to_dict())

    return await _finished(call, claim, await _opened(call, open_attempt))


async def retry(call: Call, order_id: UUID) -> Answer:
    """The answer of POST /orders/{id}/retry: an expired order becomes a new one, at the prices of today (spec 12.11).

    From the reservation on it is a checkout of one vendor without a cart, with the same answer whoever finishes it.
    """
    claim = _claim(call)
    scope = claim.scope.to_dict()
    async with call.step() as tx:
        order, attempt = await retries.begin(tx, call.scope, order_id, scope)
    if attempt is None:
        quoted = await quote(call.client(CatalogClient), call.scope, items_again(order), context=call)

        async def open_attempt(tx: Tx) -> Attempt:
            return await retries.open_attempt(tx, call.scope, order_id, quoted, scope)

        attempt = await _opened(call, open_attempt)
    return await _finished(call, claim, attempt)


async def complete(db: Database, catalog: CatalogClient, lapsed: LapsedAttempt, *, context: CallContext) -> None:
    """Ends an attempt whose process died: as a retry would, without the client; one older than 10 min is aborted."""
    if lapsed.too_old:
        await _abort_lapsed(db, lapsed, context)
        return
    async with db.transaction(actor=_COMPLETER, request_id=context.request_id) as tx:
        attempt = await attempts.take_claim(tx, lapsed.id)
    if attempt is not None:
        await finish(db, catalog, attempt, context=context)


async def finish(db: Database, catalog: CatalogClient, attempt: Attempt, *, context: CallContext) -> Answer:
    """From a claimed attempt to its one answer, which is stored with the effect."""
    decided = await _reserved(db, catalog, attempt, context)
    refusal = refusal_for(attempt, decided)
    try:
        if refusal is None:
            answer = await _commit(db, attempt, decided, context)
        else:
            answer = await _give_up(db, attempt, refusal, context)
    except CommitUnknown as unknown:
        return await _answer_there(db, attempt, otherwise=unknown)
    if answer is None:
        return await _answer_there(db, attempt, otherwise=attempt_aborted())
    _count(decided, refusal)
    return answer


_COMPLETER = Actor.job("complete-checkouts")


def _claim(call: Call) -> Claim:
    if call.claim is None:
        raise RuntimeError("a checkout needs an idempotency key")
    return call.claim


async def _finished(call: Call, claim: Claim, attempt: Attempt) -> Answer:
    answer = await finish(call.db, call.client(CatalogClient), attempt, context=call)
    claim.finished = True
    return answer


async def _opened(call: Call, open_attempt: Opening) -> Attempt:
    """Asks identity for a buying store which no event has told of yet, before anything is refused (spec 1.9)."""
    try:
        return await _open(call, open_attempt)
    except attempts.UnknownBuyerError:
        await _learn_store(call.db, call.client(IdentityClient), call.scope, call)
    try:
        return await _open(call, open_attempt)
    except attempts.UnknownBuyerError:
        raise Forbidden("not_verified") from None


async def _open(call: Call, open_attempt: Opening) -> Attempt:
    async with call.step() as tx:
        attempt = await open_attempt(tx)
        await failpoint("orders.attempt.before_commit")
    await failpoint("orders.attempt.after_commit")
    return attempt


async def _reserved(db: Database, catalog: CatalogClient, attempt: Attempt, context: CallContext) -> ReserveAnswer:
    await failpoint("orders.reserve.before_call")
    try:
        decided = await catalog.reserve(attempt.command, context=context)
    except Refusal as error:
        async with db.transaction(actor=attempt.actor, request_id=context.request_id) as tx:
            await attempts.let_go(tx, attempt)
        raise Unavailable("catalog") from error
    await failpoint("orders.reserve.after_answer")
    return decided


async def _commit(db: Database, attempt: Attempt, decided: ReserveAnswer, context: CallContext) -> Answer | None:
    """None when the attempt had ended before."""
    async with db.transaction(actor=attempt.actor, request_id=context.request_id) as tx:
        checkout = await checkouts.commit_checkout(tx, attempt, decided)
        if checkout is None:
            return None
        answer = reply(checkout if attempt.retry_of_order_id is None else retry_receipt(checkout), status=201)
        await idempotency.write_done(tx, Scope.from_dict(attempt.scope), answer, keep=WEEK)
        await failpoint("orders.checkout.before_commit")
    await failpoint("orders.checkout.after_commit")
    return answer


async def _give_up(db: Database, attempt: Attempt, refusal: Refusal, context: CallContext) -> Answer | None:
    """The refusal, stored with the abort; None when the attempt had ended before."""
    async with db.transaction(actor=attempt.actor, request_id=context.request_id) as tx:
        if not await attempts.abort(tx, attempt.id, refusal.reason or refusal.code):
            return None
        answer = refused(refusal, context.request_id)
        await idempotency.write_done(tx, Scope.from_dict(attempt.scope), answer, keep=WEEK)
        await failpoint("orders.abort.before_commit")
    await failpoint("orders.abort.after_commit")
    return answer


def _count(decided: ReserveAnswer, refusal: Refusal | None) -> None:
    _outcomes.labels("committed" if refusal is None else refusal.reason or refusal.code.value).inc()
    for line in decided.lines:
        if not line.reserved:
            _refused_lines.labels(line.reason or "unknown").inc()


async def _abort_lapsed(db: Database, lapsed: LapsedAttempt, context: CallContext) -> None:
    async with db.transaction(actor=_COMPLETER, request_id=context.request_id) as tx:
        await attempts.abort(tx, lapsed.id, "too_old", lapsed_only=True)
        await failpoint("orders.abort.before_commit")
    await failpoint("orders.abort.after_commit")


async def _answer_there(db: Database, attempt: Attempt, *, otherwise: Refusal) -> Answer:
    """The answer that the client's record holds by now, whoever wrote it; raises `otherwise` when there is none."""
    try:
        stored = await idempotency.present(db, Scope.from_dict(attempt.scope))
    except Conflict:
        raise otherwise from None
    return stored.replayed()


async def _learn_store(db: Database, identity: IdentityClient, scope: StoreScope, context: CallContext) -> None:
    try:
        store = await identity.store(scope.store_id, context=context)
    except NotFound:
        return
    async with db.transaction(actor=Actor.service("orders"), request_id=context.request_id) as tx:
        await views.keep_store(tx, store)
