"""Checkout attempts: at most one lives per cart, and each of its two ends is reached once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from chassis.db import Reader, Record, Tx
from kernel.scope import Actor
from orders.domain.attempt import AGE_SECONDS_MAX, CLAIM_SECONDS, Attempt
from orders.domain.checkout import VendorPart

_PARTS = TypeAdapter(tuple[VendorPart, ...])
_ACTOR = TypeAdapter(Actor)

_INSERT = f"""
insert into checkout_attempts (
    id, buyer_store_id, cart_id, retry_of_order_id, state, request, actor, idempotency_scope, body_hmac, lines,
    claim_token, claimed_until
)
values ($1, $2, $3, $4, 'reserving', $5, $6, $7, $8, $9, $10, clock_now() + interval '{CLAIM_SECONDS} seconds')
on conflict do nothing
"""

_LIVE = """
select id, claimed_until <= clock_now() as lapsed
from checkout_attempts where cart_id = $1 and state = 'reserving'
"""

_RETRYING = """
select id, state, idempotency_scope as scope
from checkout_attempts where retry_of_order_id = $1 and state in ('reserving', 'committed')
"""

_TAKE_CLAIM = f"""
update checkout_attempts attempt
set claim_token = $2, claimed_until = clock_now() + interval '{CLAIM_SECONDS} seconds', updated_at = clock_now()
from stores buyer
where attempt.id = $1 and attempt.state = 'reserving' and attempt.claimed_until <= clock_now()
    and buyer.store_id = attempt.buyer_store_id
returning attempt.*, buyer.state as buyer_state
"""

_LET_GO = """
update checkout_attempts set claimed_until = clock_now(), updated_at = clock_now()
where id = $1 and claim_token = $2 and state = 'reserving'
"""

_ABORT = """
update checkout_attempts set state = 'aborted', updated_at = clock_now()
where id = $1 and state = 'reserving' returning buyer_store_id, lines
"""

_ABORT_LAPSED = """
update checkout_attempts set state = 'aborted', updated_at = clock_now()
where id = $1 and state = 'reserving' and claimed_until <= clock_now() returning buyer_store_id, lines
"""

_TOMBSTONE = """
insert into checkout_attempts (id, state, claimed_until) values ($1, 'aborted', clock_now())
on conflict (id) do nothing
"""

_LAPSED = f"""
select id, created_at <= clock_now() - interval '{AGE_SECONDS_MAX} seconds' as too_old
from checkout_attempts where state = 'reserving' and claimed_until <= clock_now()
order by claimed_until limit $1
"""


@dataclass(frozen=True, slots=True)
class LiveAttempt:
    """An attempt that may still commit; `lapsed`: nobody is working on it."""

    id: UUID
    lapsed: bool


@dataclass(frozen=True, slots=True)
class RetryAttempt:
    """`scope` is that of the client's idempotency record."""

    id: UUID
    state: str
    scope: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AbortedAttempt:
    buyer_store_id: UUID
    line_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class LapsedAttempt:
    """`too_old`: it is given up instead of resumed."""

    id: UUID
    too_old: bool


async def insert(tx: Tx, attempt: Attempt) -> bool:
    """Whether this is now the only live attempt on its cart, or on the order it retries; its claim runs for 20 s."""
    rows = await tx.run(
        _INSERT,
        attempt.id,
        attempt.buyer_store_id,
        attempt.cart_id,
        attempt.retry_of_order_id,
        attempt.request,
        _ACTOR.dump_python(attempt.actor, mode="json"),
        attempt.scope,
        bytes.fromhex(attempt.scope["body_hmac"]),
        _PARTS.dump_python(attempt.parts, mode="json"),
        attempt.claim_token,
    )
    return rows == 1


async def live(tx: Tx, cart_id: UUID) -> LiveAttempt | None:
    """The attempt on a locked cart that may still commit. Its claim may change hands meanwhile: its end may not."""
    row = await tx.fetchrow(_LIVE, cart_id)
    return LiveAttempt(**row) if row else None


async def retrying(tx: Tx, order_id: UUID) -> RetryAttempt | None:
    """The attempt that retries a locked order, or did; None when it may be retried."""
    row = await tx.fetchrow(_RETRYING, order_id)
    return RetryAttempt(**row) if row else None


async def take_claim(tx: Tx, attempt_id: UUID, token: UUID) -> Attempt | None:
    """The attempt with its own id and line ids, claimed for 20 s; None when it ended or somebody works on it."""
    row = await tx.fetchrow(_TAKE_CLAIM, attempt_id, token)
    return _attempt(row) if row else None


async def let_go(tx: Tx, attempt: Attempt) -> None:
    """Ends the claim early, so that the completer or the client's retry need not wait for it to lapse."""
    await tx.run(_LET_GO, attempt.id, attempt.claim_token)


async def abort(tx: Tx, attempt_id: UUID, *, lapsed_only: bool = False) -> AbortedAttempt | None:
    """Reserving becomes aborted, for good; None when it was not reserving, or is claimed where that forbids it."""
    row = await tx.fetchrow(_ABORT_LAPSED if lapsed_only else _ABORT, attempt_id)
    if row is None:
        return None
    return AbortedAttempt(row["buyer_store_id"], _pending_ids(_PARTS.validate_python(row["lines"])))


async def bury(tx: Tx, attempt_id: UUID) -> bool:
    """Leaves a tombstone for an id that never was, so that it can never commit; False when the id is there."""
    return await tx.run(_TOMBSTONE, attempt_id) == 1


async def state_of(db: Reader, attempt_id: UUID) -> str | None:
    state: str | None = await db.fetchval("select state from checkout_attempts where id = $1", attempt_id)
    return state


async def lapsed(db: Reader, limit: int) -> list[LapsedAttempt]:
    """Attempts nobody is working on, longest waiting first."""
    return [LapsedAttempt(**row) for row in await db.fetch(_LAPSED, limit)]


def _attempt(row: Record) -> Attempt:
    return Attempt(
        id=row["id"],
        buyer_store_id=row["buyer_store_id"],
        buyer_state=row["buyer_state"],
        cart_id=row["cart_id"],
        retry_of_order_id=row["retry_of_order_id"],
        request=row["request"],
        actor=_ACTOR.validate_python(row["actor"]),
        scope=row["idempotency_scope"],
        parts=_PARTS.validate_python(row["lines"]),
        claim_token=row["claim_token"],
    )


def _pending_ids(parts: Sequence[VendorPart]) -> list[UUID]:
    return [line.id for part in parts for line in part.pending]
