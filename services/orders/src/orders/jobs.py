"""One function per clock."""

from chassis.jobs import JobRun
from kernel.refusal import Unavailable
from orders import flows
from orders.clients.catalog import CatalogClient
from orders.queries.snapshots import lapsed_attempts
from orders.repo.attempts import LapsedAttempt

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
