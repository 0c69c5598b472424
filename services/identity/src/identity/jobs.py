"""What the clock starts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from chassis.db import Tx
from chassis.jobs import JobRun
from identity.clients.geocoder import Geocoder
from identity.domain.licences import Licence
from identity.domain.sessions import Change
from identity.domain.stores import Store
from identity.flows.hot_copies import changing, pay_owed_copies
from identity.repo import invites, licences, sessions, stores
from identity.usecases.geocoding import place_store
from identity.usecases.licences import expire, purge, warn
from identity.usecases.standing import end_override
from kernel.clock import business_day

BATCH = 100


async def geocode_stores(run: JobRun) -> None:
    """Ask for the points that are missing. Who fails is asked for again in the next run, and holds up nobody."""

    async def locate(store: Store) -> None:
        point = await run.client(Geocoder).locate(store.address)
        async with run.transaction() as tx:
            await place_store(tx, store.id, point)

    await run.pages(lambda db, last: stores.waiting_for_a_point(db, last.id if last else None, BATCH), locate)


async def expire_licences(run: JobRun) -> None:
    """Warn of last days that are near, and end what is past its own; days that were missed are caught up."""
    today = business_day(run.clock.now())

    async def settle(licence: Licence) -> None:
        if not licence.is_past(today):
            async with run.transaction() as tx:
                await warn(tx, licence.id, today)
            return
        async with _changing_store(run, licence.store_id) as (change, tx):
            await expire(tx, change, licence.id, today)

    await run.pages(lambda db, last: licences.due(db, today, last.id if last else None, BATCH), settle)


async def purge_licences(run: JobRun) -> None:
    """Forget licences a month after they expired, and have their scans deleted."""
    now = run.clock.now()

    async def forget(licence: Licence) -> None:
        async with _changing_store(run, licence.store_id) as (change, tx):
            await purge(tx, change, licence.id, now)

    await run.pages(lambda db, last: licences.outlived(db, now, last.id if last else None, BATCH), forget)


async def expire_overrides(run: JobRun) -> None:
    """Take back what was granted until a day that has passed; a run that was missed is caught up."""
    today = business_day(run.clock.now())

    async def expire(store_id: UUID) -> None:
        async with _changing_store(run, store_id) as (change, tx):
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
    while not run.stopping:
        async with run.transaction() as tx:
            if not await invites.forget(tx, BATCH):
                return


@asynccontextmanager
async def _changing_store(run: JobRun, store_id: UUID) -> AsyncIterator[tuple[Change, Tx]]:
    """A transaction that may change how a store stands, and with it everybody who acts for it."""
    async with run.db.reader() as db:
        sids = await sessions.live_of_store(db, store_id)
    async with changing(run, sids) as change, run.transaction() as tx:
        yield change, tx
