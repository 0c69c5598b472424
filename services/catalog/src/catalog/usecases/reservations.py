"""Stock taken for the lines of a checkout, and how it ends (spec 4.3, 12.6)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from catalog.domain.goods import require_distinct
from catalog.domain.stock import ReservationReason
from catalog.repo.reservations import (
    CONFIRM,
    CONFIRMABLE,
    EXTEND,
    LOCK_HELD,
    RELEASABLE,
    RELEASE,
    RELEASED_AS_ABORTED,
    RESERVE,
    STORED,
    TOMBSTONE,
)
from catalog.usecases.announcing import announce
from catalog.usecases.settlement import owe
from chassis.db import Record, Tx
from chassis.failpoints import failpoint
from chassis.ids import new_id
from chassis.telemetry import counter, get_logger
from contracts.catalog import ReserveCommand

_log = get_logger(__name__)
_confirmed_after_abort = counter(
    "reservation_confirm_after_abort_total", "Confirms that met a reservation released as aborted; must stay 0"
)


@dataclass(frozen=True, slots=True)
class Reserved:
    """The answer as JSON text (contracts.catalog.ReserveAnswer), or the vendors to ask about before there is one."""

    answer: str | None
    doubted: Sequence[UUID] = ()


async def reserve(tx: Tx, command: ReserveCommand, *, asked: Collection[UUID] = ()) -> Reserved:
    """Decide every line once; a repeat gets the stored decision. Nothing is stored unless all lines could be decided.

    `asked` are vendors that identity was asked about a moment ago; a line of any other hidden vendor decides nothing.
    """
    require_distinct("lines", [line.product_id for line in command.lines])
    require_distinct("lines", [line.line_id for line in command.lines])
    row = await tx.fetchrow(RESERVE, *_arguments(command, asked))
    assert row is not None  # noqa: S101  the statement always answers one row
    if row["claimed"]:
        announce(tx, row["emptied"] or ())
        tx.at_end(partial(failpoint, "catalog.reserve.before_commit"))
        tx.after_commit(partial(failpoint, "catalog.reserve.after_commit"))
        return Reserved(_answer("decided", lines=row["lines"]))
    return await _decided_before(tx, command) or _undecided(row)


def _arguments(command: ReserveCommand, asked: Collection[UUID]) -> tuple[object, ...]:
    lines = command.lines
    return (
        command.checkout_id,
        command.buyer_store_id,
        command.buyer_state,
        [new_id() for _ in lines],
        [line.line_id for line in lines],
        [line.product_id for line in lines],
        [line.vendor_store_id for line in lines],
        [line.qty for line in lines],
        list(asked),
    )


async def _decided_before(tx: Tx, command: ReserveCommand) -> Reserved | None:
    stored = await tx.fetchrow(STORED, command.checkout_id)
    if stored is None:
        return None
    return Reserved(_answer(stored["outcome"], lines=stored["lines"]))


def _undecided(row: Record) -> Reserved:
    if row["violations"]:
        return Reserved(_answer("violated", violations=row["violations"]))
    return Reserved(None, row["doubted"] or ())


def _answer(outcome: str, *, lines: str | None = None, violations: str | None = None) -> str:
    return f'{{"outcome":"{outcome}","lines":{lines or "[]"},"violations":{violations or "[]"}}}'


async def confirm(tx: Tx, checkout_id: UUID, order_id: UUID, line_ids: Sequence[UUID]) -> None:
    """Make the holds of an order permanent. Lines that ended already stay as they ended."""
    confirmed = await tx.run(CONFIRM, checkout_id, order_id, list(line_ids), CONFIRMABLE)
    if confirmed < len(line_ids):
        await _count_aborted(tx, checkout_id, line_ids)
    tx.at_end(partial(failpoint, "catalog.confirm.before_commit"))
    tx.after_commit(partial(failpoint, "catalog.confirm.after_commit"))


async def _count_aborted(tx: Tx, checkout_id: UUID, line_ids: Sequence[UUID]) -> None:
    aborted = await tx.fetchval(RELEASED_AS_ABORTED, checkout_id, list(line_ids))
    if aborted:
        _confirmed_after_abort.inc(aborted)
        _log.error("reservation.confirm_after_abort", checkout_id=str(checkout_id), lines=aborted)


async def release(tx: Tx, checkout_id: UUID, line_ids: Sequence[UUID] | None, reason: ReservationReason) -> None:
    """Give the stock of these lines back, once; None means every line of the checkout."""
    wanted = None if line_ids is None else list(line_ids)
    freed = await tx.fetch(RELEASE, checkout_id, wanted, str(reason), RELEASABLE)
    if freed:
        owe(tx, movements=[row["id"] for row in freed])


async def abort(tx: Tx, checkout_id: UUID) -> None:
    """Release what the checkout holds; one never seen leaves a tombstone, which refuses a reserve that comes later."""
    await tx.run(TOMBSTONE, checkout_id)
    await release(tx, checkout_id, None, ReservationReason.ABORTED)


async def settle_overdue(tx: Tx, checkout_id: UUID, orders: Mapping[UUID, UUID]) -> None:
    """End the overdue holds of a committed checkout: confirm lines that still want their stock, release the others.

    Rows that another transaction is ending at this moment are left to it.
    """
    held = [row["line_id"] for row in await tx.fetch(LOCK_HELD, checkout_id)]
    for order_id in sorted(set(orders.values())):
        lines = [line_id for line_id in held if orders.get(line_id) == order_id]
        if lines:
            await confirm(tx, checkout_id, order_id, lines)
    unwanted = [line_id for line_id in held if line_id not in orders]
    if unwanted:
        await release(tx, checkout_id, unwanted, ReservationReason.DECIDED)


async def abort_overdue(tx: Tx, checkout_id: UUID) -> None:
    """End the overdue holds of a checkout that never committed."""
    held = [row["line_id"] for row in await tx.fetch(LOCK_HELD, checkout_id)]
    if held:
        await release(tx, checkout_id, held, ReservationReason.ABORTED)


async def extend(tx: Tx, checkout_id: UUID) -> None:
    """Wait five minutes more: stock is never released on a guess."""
    await tx.run(EXTEND, checkout_id)
