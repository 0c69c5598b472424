"""One function per clock."""

from uuid import UUID

from chassis.jobs import JobRun
from kernel.refusal import Unavailable
from orders import flows
from orders.clients.catalog import CatalogClient
from orders.queries.snapshots import due_orders, lapsed_attempts
from orders.repo.attempts import LapsedAttempt
from orders.usecases.passages import remind_or_expire

BATCH = 100


async def complete_checkouts(run: JobRun) -> None:
    """Finishes checkouts whose process died. Once catalog gives no answer, the rest waits for a later run."""
    async with run.db.reader() as db:
        lapsed = await lapsed_attempts(db, BATCH)
    catalog = run.client(CatalogClient)
    is_away = False

    async def end(attempt: LapsedAttempt) -> None:
        nonlocal is_away
        if is_away and not attempt.too_old:
            return
        try:
            await flows.complete(run.db, catalog, attempt, context=run)
        except Unavailable:
            is_away = True
            raise

    await run.each(lapsed, end)


async def expire_orders(run: JobRun) -> None:
    """Reminds vendors of what they have left undecided, and ends what they did not decide in time (spec 12.10).

    Looks at what is due by now, so a missed run is made up for. An order that fails is met again by the next run.
    """

    async def act(order_id: UUID) -> None:
        async with run.transaction() as tx:
            await remind_or_expire(tx, order_id)

    await run.pages(lambda db, last: due_orders(db, after=last or UUID(int=0), limit=BATCH), act)
