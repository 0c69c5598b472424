"""A licence that runs out hides its vendor at once and leaves nothing behind after thirty days (spec 2.4; issue C, 3).

Identity's daily jobs run as commands of their own whose clock is turned; everybody else lives on today.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from markets import Market, at_rest
from objects import ObjectStore
from papers import dangling, grace_passes, leaked

from packhouse.actors import Member
from packhouse.eventually import eventually
from packhouse.stack import Stack

EXPIRE, PURGE = "expire-licences", "purge-licences"
HIDDEN_WITHIN = 1.0
LASTS_DAYS = 10
STATUS = "select status from identity.licenses where id = $1::uuid"
SAID = """
select type from identity.outbox_archive where aggregate_id = $1::uuid
union all select type from identity.outbox where aggregate_id = $1::uuid
"""
Turned = Callable[[str, int], Awaitable[None]]


@pytest.fixture
async def turned(stack: Stack, database: asyncpg.Connection) -> AsyncIterator[Turned]:
    """Runs a job of identity so many days from now; afterwards the jobs are due as if they had run today."""

    async def run(job: str, days: int) -> None:
        offset = {"PACKHOUSE_CLOCK_OFFSET_SECONDS": str(timedelta(days=days).total_seconds())}
        await asyncio.to_thread(stack.run, "identity", "job", job, environment=offset)

    yield run
    await database.execute("update identity.job_leases set last_started_at = now() where last_started_at > now()")


async def verified(market: Market, member: Member) -> dict[str, Any]:
    """A licence that is good for ten more days; the store's standing rests on it and on nothing else."""
    ends = (datetime.now(UTC) + timedelta(days=LASTS_DAYS)).date().isoformat()
    licence = await member.proves_itself(f"EXPIRY-{uuid4().hex[:8]}", expires_on=ends)
    (await market.admin.verifies(licence["id"])).expect(200)
    subscribed = member.store_type == "vendor"
    granted = await market.admin.grants_standing(str(member.store_id), subscribed=subscribed, verified=False)
    assert granted.expect(200)["kyc_status"] == "verified"
    return dict(licence)


async def moment_of(holds: Callable[[], Awaitable[bool]]) -> float:
    """When it held, by our clock."""
    await eventually(holds, within=60, every=0.01)
    return time.monotonic()


async def said(database: asyncpg.Connection, licence_id: str) -> Counter[str]:
    return Counter(row["type"] for row in await database.fetch(SAID, licence_id))


async def test_a_licence_that_runs_out_hides_within_a_second_and_is_gone_after_thirty_days(
    stack: Stack, market: Market, database: asyncpg.Connection, turned: Turned
) -> None:
    vendor, other, buyer = market.vendors[0], market.vendors[1], market.buyers[0]
    goods = await market.lists(vendor, "EXPIRES", units=5)
    await market.lists(other, "STAYS", units=5)
    licences = {member.store_type: await verified(market, member) for member in (vendor, buyer)}
    sells, buys = licences["vendor"]["id"], licences["buyer"]["id"]

    async def expired() -> bool:
        return {await database.fetchval(STATUS, one) for one in (sells, buys)} == {"expired"}

    async def hidden() -> bool:
        return (await market.buyers[1].get(f"/api/v1/products/{goods['id']}")).status == 404

    async def refused() -> bool:
        return (await buyer.fills_cart({market.line("STAYS"): 1})).reason == "not_verified"

    for days in (0, 1, LASTS_DAYS):
        await turned(EXPIRE, days)
    good = (await database.fetchval(STATUS, sells), await hidden(), await refused())
    told = await said(database, sells)
    _, ran_out, left, closed = await asyncio.gather(
        turned(EXPIRE, LASTS_DAYS + 2), moment_of(expired), moment_of(hidden), moment_of(refused)
    )
    assert good == ("verified", False, False)
    assert told["identity.license_expiring_soon.v1"] == 1
    assert max(left, closed) - ran_out <= HIDDEN_WITHIN
    print(f"hidden {left - ran_out:.2f} s, buyer refused {closed - ran_out:.2f} s after the licences ran out")

    await turned(EXPIRE, LASTS_DAYS + 3)
    await turned(PURGE, LASTS_DAYS + 2 + 29)
    kept = await database.fetchval(STATUS, sells)
    await turned(PURGE, LASTS_DAYS + 2 + 31)
    await eventually(lambda: at_rest(database), within=30)
    await grace_passes(stack, database)

    objects, said_at_last = ObjectStore.of(stack), await said(database, sells)
    assert (kept, await database.fetchval(STATUS, sells)) == ("expired", None)
    assert said_at_last["identity.license_expired.v1"] == 1
    assert await objects.keys(licences["vendor"]["gcs_key"]) == set()
    assert await dangling(database, objects, str(vendor.store_id)) == []
    assert await leaked(database, objects, str(vendor.store_id)) == []
