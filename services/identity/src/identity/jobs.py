"""What the clock starts."""

from uuid import UUID

from chassis.jobs import JobRun
from identity.clients.geocoder import Geocoder
from identity.domain.stores import Store
from identity.flows.hot_copies import changing, pay_owed_copies
from identity.repo import invites, sessions, stores
from identity.usecases.geocoding import place_store
from identity.usecases.standing import end_override
from kernel.clock import business_day

BATCH = 100
BATCHES_MAX = 10


async def geocode_stores(run: JobRun) -> None:
    """Ask for the points that are missing. Who fails is asked for again in the next run, and holds up nobody."""

    async def locate(store: Store) -> None:
        point = await run.client(Geocoder).locate(store.address)
        async with run.transaction() as tx:
            await place_store(tx, store.id, point)

    after: UUID | None = None
    for _ in range(BATCHES_MAX):
        async with run.db.reader() as db:
            waiting = await stores.waiting_for_a_point(db, after, BATCH)
        if not waiting:
            return
        await run.each(waiting, locate)
        after = waiting[-1].id


async def expire_overrides(run: JobRun) -> None:
    """Take back what was granted until a day that has passed; a run that was missed is caught up."""
    today = business_day(run.clock.now())

    async def expire(store_id: UUID) -> None:
        async with run.db.reader() as db:
            sids = await sessions.live_of_store(db, store_id)
        async with changing(run, sids) as change, run.transaction() as tx:
            await end_override(tx, change, store_id, today)

    async with run.db.reader() as db:
        due = await stores.overrides_over(db, today, BATCH)
    await run.each(due, expire)


async def pay_hot_copies(run: JobRun) -> None:
    """Make up for hot copies that could not be marked while Redis was away (docs/adr/0003)."""
    settled = await pay_owed_copies(run, BATCH)
    if settled:
        async with run.transaction() as tx:
            await sessions.forgive(tx, settled)


async def clean_invites(run: JobRun) -> None:
    """Forget invitations a month after their last day, because they hold names and addresses."""
    for _ in range(BATCHES_MAX):
        async with run.transaction() as tx:
            if not await invites.forget(tx, BATCH):
                return
