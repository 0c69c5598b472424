"""An outbox that has carried very many events is small again, and its archive goes a day at a time (F-D18)."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from statistics import quantiles
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.bus import Envelope
from chassis.db.database import turn_clock
from chassis.outbox.archive import HOT_BYTES_MAX
from chassis.outbox.publishing import Publisher
from testkit.relays import relaying
from testkit.reliability import Reliability, Tally
from testkit.sample.bench import Bench
from testkit.sample.manifest import OtherSaid
from testkit.tap import eventually, tapped

REST_BYTES_MAX = 16 * 1024 * 1024
DROP_SECONDS_MAX = 1.0
THINGS, EACH = 200, 10
WAITING_MAX = 10_000
PROBES = 100
PAYLOAD = '{"thing_id": "00000000-0000-0000-0000-000000000000", "number": 1, "text": "' + "x" * 400 + '"}'

_SAY = """
with counted as (
    insert into aggregate_cursor as c (aggregate_type, aggregate_id, last_seq)
    select 'thing', thing, $2::int from unnest($1::uuid[]) as thing order by thing
    on conflict (aggregate_type, aggregate_id) do update set last_seq = c.last_seq + excluded.last_seq
    returning aggregate_id, last_seq
)
insert into outbox (event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, payload)
select gen_random_uuid(), 'sample.thing_said.v1', 'thing', aggregate_id, last_seq - $2::int + place, 1, $3::jsonb
from counted, generate_series(1, $2::int) as place order by place, aggregate_id
"""
_WAITING = "select count(*) from (select from outbox limit $1) as counted"


async def confirmed(_self: Publisher, _envelope: Envelope) -> None:
    """Stands for a broker that has each event at once: what grows, or does not, is in the database."""


async def carries(admin: asyncpg.Connection, things: Sequence[UUID], events: int) -> float:
    """Events a second. Two thousand are written at a time, no more than the relay keeps up with."""
    began = time.monotonic()
    for _ in range(events // (THINGS * EACH)):
        await eventually(lambda: _fewer_wait(admin, WAITING_MAX), seconds=60)
        await admin.execute(_SAY, things, EACH, PAYLOAD)
    await eventually(lambda: _fewer_wait(admin, 1), seconds=60)
    return events / (time.monotonic() - began)


async def _fewer_wait(admin: asyncpg.Connection, count: int) -> bool:
    """Whether fewer events than so many are not published yet."""
    return bool(await admin.fetchval(_WAITING, count) < count)


async def hot_bytes(admin: asyncpg.Connection) -> int:
    """Of the outbox with its indexes, once it is at rest and the relay has tidied up."""

    async def is_small() -> bool:
        return bool(await admin.fetchval("select pg_total_relation_size('outbox') <= $1", HOT_BYTES_MAX))

    await eventually(is_small, seconds=15)
    return int(await admin.fetchval("select pg_total_relation_size('outbox')"))


async def relay_p99(bench: Bench) -> float:
    """Seconds from a fact to the ear on the exchange."""
    async with tapped(bench.settings.rabbitmq_url, "sample.other.#") as tap:
        for _ in range(PROBES):
            await bench.say(OtherSaid(other_id=uuid4()))
            await asyncio.sleep(0.01)
        await tap.until(PROBES)
        return quantiles(tap.lags, n=100)[98]


async def seconds_to_drop(bench: Bench) -> float:
    """What the relay does once the thirty days of today's partition are over, with the rights of its role."""
    async with bench.connected(bench.settings.relay_database_url) as relay:
        await turn_clock(relay, timedelta(days=31))
        began = time.monotonic()
        await relay.fetch("select keep_archive()")
        return time.monotonic() - began


@pytest.mark.parametrize(
    "events", [100_000, pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
async def test_an_outbox_that_has_carried_very_many_events_stays_small_and_drops_a_day_at_once(
    bench: Bench, reliability: Reliability, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    things = [uuid4() for _ in range(THINGS)]
    async with bench.connected() as admin:
        async with relaying(bench.floor):
            monkeypatch.setattr(Publisher, "publish", confirmed)
            rate = await carries(admin, things, events)
            monkeypatch.undo()
            p99 = await relay_p99(bench)
            hot = await hot_bytes(admin)
        archived = await bench.count("outbox_archive")
        dropped_in = await seconds_to_drop(bench)
        left = await bench.count("outbox_archive")

    reliability.record(
        "F-D18",
        faults=events,
        at_least=100_000,
        tally=Tally(lost=events + PROBES - archived),
        recovery_seconds=dropped_in,
        events_per_second=round(rate),
        hot_mb=round(hot / 1024 / 1024, 1),
        relay_p99_ms=round(p99 * 1000, 1),
    )
    assert hot <= REST_BYTES_MAX
    assert left == 0
    assert dropped_in <= DROP_SECONDS_MAX


async def test_tidying_up_keeps_what_waits_and_gives_way_to_a_writer(bench: Bench) -> None:
    for _ in range(3):
        await bench.say(OtherSaid(other_id=uuid4()))
    whole = "select array(select event from outbox event order by id)::text"
    async with bench.connected() as admin, bench.connected(bench.settings.relay_database_url) as relay:
        waiting = await admin.fetchval(whole)

        async with admin.transaction():
            await admin.execute("lock table outbox in row exclusive mode")
            was_in_the_way = await relay.fetchval("select tidy_outbox()")
        tidied = await relay.fetchval("select tidy_outbox()")

        assert (was_in_the_way, tidied) == (False, True)
        assert await admin.fetchval(whole) == waiting
    await bench.say(OtherSaid(other_id=uuid4()))
    assert await bench.count("outbox") == 4
