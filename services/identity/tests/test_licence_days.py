"""What the days bring: a warning, the end, and a month later nothing is left (spec 2.4, 15)."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from contracts.identity import (
    IdentityMediaDetached,
    LicenseExpired,
    LicenseExpiringSoon,
    LicenseStatusChanged,
    StoreChanged,
)
from identity import jobs, queries
from identity.domain.licences import Licence
from identity.domain.sessions import Change
from identity.usecases.licences import expire, purge
from kernel.clock import business_day
from kernel.scope import Actor
from testkit.world import World

from .papers import a_licence, a_verified_licence, audited, decides, kyc, licences, noon, statuses_told
from .people import Person, a_store, an_admin

BROKEN = """
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'a bad row'; end $$;
create trigger refuse before update or delete on licenses
    for each row when (old.number = 'BAD') execute function refuse()
"""


async def breaks_one_row(world: World) -> None:
    """The licence of the number BAD can neither be changed nor removed."""
    connection = await asyncpg.connect(world.admin_url)
    try:
        await connection.execute(f"set search_path to identity; {BROKEN}")
    finally:
        await connection.close()


async def days_pass(world: World, *days: int, job: str = "expire-licences") -> None:
    """The job runs after each of these waits."""
    for wait in days:
        world.clock.turn(timedelta(days=wait))
        assert (await world.runs(job)).succeeded


async def test_a_store_is_warned_once_when_14_days_are_left(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    await noon(world)
    licence = await a_verified_licence(admin, owner, days=15)
    await days_pass(world, 0)
    assert await world.emitted(LicenseExpiringSoon) == []
    await days_pass(world, 1, 0, 1, 12)
    (warned,) = await world.emitted(LicenseExpiringSoon)
    assert (str(warned.license_id), warned.store_id) == (licence["id"], owner.claims.store_id)
    assert (str(warned.expiration_date), warned.days_until_expiration) == (licence["expiration_date"], 14)
    assert await kyc(owner) == "verified"


async def test_warning_once_even_after_missed_days(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    await noon(world)
    await a_verified_licence(admin, owner, days=18)
    await days_pass(world, 13, 0, 1, 4)
    assert [event.days_until_expiration for event in await world.emitted(LicenseExpiringSoon)] == [5]


@pytest.mark.parametrize("status", ["pending", "rejected"])
async def test_only_what_is_verified_is_warned_of_and_expires(world: World, status: str) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await a_licence(owner, expiration_date=str(business_day(world.clock.now()) + timedelta(days=3)))
    if status == "rejected":
        await decides(admin, licence, "rejected", "unreadable")
    await days_pass(world, 0, 5)
    assert [licence["status"] for licence in await licences(owner)] == [status]
    assert await world.emitted(LicenseExpiringSoon) == await world.emitted(LicenseExpired) == []


async def test_a_licence_without_a_last_day_is_good_for_ever(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    await a_verified_licence(admin, owner)
    await days_pass(world, 25)
    assert await kyc(owner) == "verified"


@pytest.mark.plant("licences that end with the day in London")
async def test_a_licence_ends_with_its_last_business_day_in_chicago_and_not_before(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world, store_type="vendor")
    await noon(world)
    licence = await a_verified_licence(admin, owner, days=0)
    last_day = date.fromisoformat(licence["expiration_date"])

    world.clock.turn(timedelta(hours=11, minutes=50))
    await world.runs("expire-licences")
    assert (business_day(world.clock.now()), world.clock.now().date()) == (last_day, last_day + timedelta(days=1))
    assert await kyc(owner) == "verified", "in London it is over, in Chicago it is not"

    world.clock.turn(timedelta(minutes=11))
    await world.runs("expire-licences")
    assert await kyc(owner) == "expired"
    assert (await world.emitted(StoreChanged))[-1].kyc_status == "expired", "from which catalog hides the store"
    (expired,) = await world.emitted(LicenseExpired)
    told = (await world.emitted(LicenseStatusChanged))[-1]
    assert (told.previous_status, told.status, told.kyc_status) == ("verified", "expired", "expired")
    assert (expired.license_id, told.license_id) == (UUID(licence["id"]), UUID(licence["id"]))
    assert await audited(world) == ["license.upload", "license.verify", "license.expire"]


async def test_a_store_with_another_good_licence_stays_verified(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    await a_verified_licence(admin, owner, days=1)
    await a_verified_licence(admin, owner, days=300)
    said = len(await world.emitted(StoreChanged))
    await days_pass(world, 3)
    assert await kyc(owner) == "verified"
    assert len(await world.emitted(LicenseExpired)) == 1
    assert len(await world.emitted(StoreChanged)) == said, "nothing about the store has changed"


async def test_expiry_catches_up_after_outage(world: World) -> None:
    """The scheduler was down for 20 days: what ended meanwhile ends now, unwarned, and what is near is warned of."""
    admin, owners = await an_admin(world), [await a_store(world) for _ in range(3)]
    await noon(world)
    ended, near, far = [
        await a_verified_licence(admin, owner, days=days) for owner, days in zip(owners, (2, 23, 90), strict=True)
    ]
    await days_pass(world, 20, 0)
    assert [await kyc(owner) for owner in owners] == ["expired", "verified", "verified"]
    assert [str(event.license_id) for event in await world.emitted(LicenseExpired)] == [ended["id"]]
    warned = [
        (str(event.license_id), event.days_until_expiration) for event in await world.emitted(LicenseExpiringSoon)
    ]
    assert warned == [(near["id"], 3)]
    assert far["id"] not in dict(warned)


async def test_a_bad_row_stops_neither_warnings_nor_ends(world: World) -> None:
    admin, owners = await an_admin(world), [await a_store(world) for _ in range(3)]
    for owner in owners:
        await a_verified_licence(admin, owner, days=1)
    async with world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update licenses set number = 'BAD' where id = (select id from licenses order by id limit 1)")
    await breaks_one_row(world)
    world.clock.turn(timedelta(days=3))

    outcome = await world.runs("expire-licences")

    assert (outcome.succeeded, outcome.items_failed) == (True, 1)
    assert [await kyc(owner) for owner in owners] == ["verified", "expired", "expired"]


async def test_a_run_goes_on_until_nothing_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage: more batches than anybody would think of as a limit."""
    monkeypatch.setattr(jobs, "BATCH", 1)
    admin, owner = await an_admin(world), await a_store(world)
    for _ in range(12):
        await a_verified_licence(admin, owner, days=1)

    await days_pass(world, 2)
    await days_pass(world, 31, job="purge-licences")

    assert len(await world.emitted(LicenseExpired)) == 12
    assert await licences(owner) == []


async def test_two_schedulers_at_once_end_a_licence_once(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await a_verified_licence(admin, owner, days=0)
    await world.warm_up()
    world.clock.turn(timedelta(days=2))
    today = business_day(world.clock.now())

    async def a_schedulers_run() -> None:
        """Of one that has lost its lease without noticing it yet."""
        async with world.db.transaction(actor=Actor.job("expire-licences"), request_id="test") as tx:
            await expire(tx, Change("nonce"), UUID(licence["id"]), today)

    async with world.collision("select from licenses for update", waiting=2):
        runs = [asyncio.create_task(a_schedulers_run()) for _ in range(2)]
    await asyncio.gather(*runs)
    outcomes = await asyncio.gather(*(world.runs("expire-licences") for _ in range(2)))

    assert sorted(outcome.ran for outcome in outcomes) == [False, True]
    assert len(await world.emitted(LicenseExpired)) == 1
    assert await statuses_told(world) == [(None, "pending"), ("pending", "verified"), ("verified", "expired")]
    assert [event.kyc_status for event in await world.emitted(StoreChanged)][-2:] == ["verified", "expired"]


async def an_expired_licence(admin: Person, owner: Person) -> dict[str, Any]:
    licence = await a_verified_licence(admin, owner, days=1)
    await days_pass(owner.world, 2)
    return licence


async def test_a_licence_is_gone_30_days_after_it_expired_with_its_scan(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await an_expired_licence(admin, owner)
    await days_pass(world, 29, job="purge-licences")
    assert (await licence_of(world, licence)) is not None
    await days_pass(world, 1, 0, job="purge-licences")
    assert (await licence_of(world, licence)) is None
    (detached,) = await world.emitted(IdentityMediaDetached)
    assert (str(detached.attachment_id), detached.purge) == (licence["attachment_id"], True)
    assert (await audited(world))[-1] == "license.purge"
    assert [event.kyc_status for event in await world.emitted(StoreChanged)][-2:] == ["expired", "pending_verification"]


async def test_retention_one_bad_row_does_not_stop_the_run(world: World) -> None:
    admin, owners = await an_admin(world), [await a_store(world) for _ in range(3)]
    kept = [await a_verified_licence(admin, owner, days=0) for owner in owners]
    await days_pass(world, 2)
    async with world.db.transaction(actor=Actor.service("test"), request_id="test") as tx:
        await tx.run("update licenses set number = 'BAD' where id = $1", UUID(kept[0]["id"]))
    await breaks_one_row(world)
    world.clock.turn(timedelta(days=31))

    for _ in range(2):
        outcome = await world.runs("purge-licences")
        assert (outcome.succeeded, outcome.items_failed) == (True, 1)

    assert [await licence_of(world, licence) is None for licence in kept] == [False, True, True]
    assert len(await world.emitted(IdentityMediaDetached)) == 2


async def test_two_schedulers_at_once_purge_a_licence_once(world: World) -> None:
    admin, owner = await an_admin(world), await a_store(world)
    licence = await an_expired_licence(admin, owner)
    await world.warm_up()
    world.clock.turn(timedelta(days=31))

    async def a_schedulers_run() -> None:
        async with world.db.transaction(actor=Actor.job("purge-licences"), request_id="test") as tx:
            await purge(tx, Change("nonce"), UUID(licence["id"]), world.clock.now())

    async with world.collision("select from licenses for update", waiting=2):
        runs = [asyncio.create_task(a_schedulers_run()) for _ in range(2)]
    ended = await asyncio.gather(*runs, return_exceptions=True)

    assert sorted(type(one).__name__ for one in ended) == ["NoneType", "NotFound"]
    assert len(await world.emitted(IdentityMediaDetached)) == 1
    assert (await audited(world)).count("license.purge") == 1


async def licence_of(world: World, licence: dict[str, Any]) -> Licence | None:
    """By the queue of the house, which sees every store's."""
    paging = queries.Paging(status="expired", limit=100, cursor=None, with_total=False)
    async with world.db.reader() as db:
        page = await queries.licence_queue(db, paging)
    return next((one for one in page.rows if str(one.id) == licence["id"]), None)
