"""A checkout on its way: all that is needed to finish it without the client and without the cart (spec 12.6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.catalog import ReserveAnswer, ReserveCommand, ReservedLine, ReserveLine
from kernel.refusal import Conflict, Refusal, StateConflict
from kernel.scope import Actor
from orders.domain.checkout import VendorPart, refusal_lines

CLAIM_SECONDS = 20
"""How long one process may work on an attempt before another may take it over."""

AGE_SECONDS_MAX = 600
"""The age at which the completer stops trying, and aborts."""

RETRY_AFTER_SECONDS = 2
"""When to ask again about a cart that somebody else checks out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """It is made of a cart, or of the expired order that it retries.

    `id` becomes the group's id; `scope` names the client's idempotency record; `request` is its validated body.
    """

    id: UUID
    buyer_store_id: UUID
    buyer_state: str
    cart_id: UUID | None
    retry_of_order_id: UUID | None = None
    request: dict[str, Any]
    actor: Actor
    scope: dict[str, Any]
    parts: tuple[VendorPart, ...]
    claim_token: UUID

    @property
    def line_ids(self) -> list[UUID]:
        """The lines that catalog is asked to reserve."""
        return [line.id for part in self.parts for line in part.pending]

    @property
    def command(self) -> ReserveCommand:
        """The one question to catalog; a repeat is the same question."""
        return ReserveCommand(
            checkout_id=self.id,
            buyer_store_id=self.buyer_store_id,
            buyer_state=self.buyer_state,
            lines=[
                ReserveLine(
                    line_id=line.id, product_id=line.product_id, vendor_store_id=part.vendor_store_id, qty=line.qty
                )
                for part in self.parts
                for line in part.pending
            ],
        )


def attempt_in_progress() -> Conflict:
    """Somebody works on this cart or order; it carries Retry-After, because the answer may soon be another."""
    return Conflict("attempt_in_progress", "a checkout of this is in progress", retry_after=RETRY_AFTER_SECONDS)


def nothing_reservable(parts: Sequence[VendorPart], refused: Sequence[ReservedLine] = ()) -> Conflict:
    """No line can be had; the cart or the expired order stays as it is."""
    reasons = {line.line_id: (str(line.reason), line.available_qty) for line in refused}
    return Conflict("nothing_reservable", "no line can be reserved", details={"lines": refusal_lines(parts, reasons)})


def attempt_aborted() -> Conflict:
    """The attempt was given up meanwhile; a new checkout of the cart is free to start."""
    return Conflict("attempt_aborted", "this checkout was given up before it could finish")


def refusal_for(attempt: Attempt, answer: ReserveAnswer) -> Refusal | None:
    """Why the checkout cannot go on after catalog's answer; None when at least one line was reserved."""
    if answer.outcome == "aborted":
        return attempt_aborted()
    if answer.outcome == "violated":
        return StateConflict.quantity([violation.model_dump(mode="json") for violation in answer.violations])
    if not any(line.reserved for line in answer.lines):
        return nothing_reservable(attempt.parts, answer.lines)
    return None
