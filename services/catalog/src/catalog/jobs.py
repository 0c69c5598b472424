"""Clocks."""

from uuid import UUID

from catalog.clients.orders import OrdersClient
from catalog.queries.stock import overdue_checkouts
from catalog.usecases.reservations import abort_overdue, extend, settle_overdue
from chassis.jobs import JobRun
from contracts.orders import ResolveAnswer
from kernel.refusal import Unavailable

BATCH = 100


async def sweep_reservations(run: JobRun) -> None:
    """Put every hold past its time to orders, which knows what became of the checkout (spec 4.3)."""
    async with run.db.reader() as db:
        overdue = await overdue_checkouts(db, BATCH)

    async def sweep(checkout_id: UUID) -> None:
        await _sweep(run, checkout_id)

    await run.each(overdue, sweep)


async def _sweep(run: JobRun, checkout_id: UUID) -> None:
    """The question is asked outside any transaction; its answer is applied in one."""
    answer = await _ask(run, checkout_id)
    async with run.transaction() as tx:
        if answer is None or answer.outcome == "open":
            await extend(tx, checkout_id)
        elif answer.outcome == "committed":
            await settle_overdue(tx, checkout_id, answer.order_ids)
        else:
            await abort_overdue(tx, checkout_id)


async def _ask(run: JobRun, checkout_id: UUID) -> ResolveAnswer | None:
    try:
        return await run.client(OrdersClient).resolve(checkout_id, run)
    except Unavailable:
        return None
