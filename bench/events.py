"""Events: how many the relay carries, and how long one takes from its commit to the commit of its effect."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import aio_pika
import asyncpg

from bench.figures import Figures
from bench.floors import loop
from bench.house import House

RELAYED = 10_000
AGGREGATES = 1_000
LAG_EVENTS = 300
LAG_EVERY = 0.02
FINISHED_WITHIN = 120.0

SAY = """
with said as (
  insert into catalog.aggregate_cursor (aggregate_type, aggregate_id, last_seq)
  select 'product', gen_random_uuid(), $1::int / $2::int from generate_series(1, $2::int) returning aggregate_id
)
insert into catalog.outbox (event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload)
select gen_random_uuid(), 'catalog.product_changed.v1', 'product', aggregate_id, place, 1, false, $3::jsonb
from said, generate_series(1, $1::int / $2::int) place order by place
"""

WATCH = """
create or replace function catalog.bench_applied() returns trigger language plpgsql as
$$ begin perform pg_notify('bench_applied', new.aggregate_id || ' ' || new.last_seq); return new; end $$;
drop trigger if exists bench_applied on catalog.inbox_stream;
create trigger bench_applied after insert or update on catalog.inbox_stream
  for each row execute function catalog.bench_applied();
"""
UNWATCH = "drop trigger bench_applied on catalog.inbox_stream; drop function catalog.bench_applied()"

CHANGE = """
with counted as (
  update identity.aggregate_cursor set last_seq = last_seq + 1
  where aggregate_type = 'store' and aggregate_id = $1 returning last_seq
), written as (
  insert into identity.outbox (event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, baseline, payload)
  select gen_random_uuid(), 'identity.store_changed.v1', 'store', $1, last_seq, 1, false, $2::jsonb from counted
)
select last_seq, pg_notify('packhouse_identity', '')::text from counted
"""


async def relayed(house: House) -> Figures:
    """Events per second from the outbox of catalog through a bound quorum queue into the archive."""
    database = await house.admin_database()
    async with await aio_pika.connect(house.stack.servers.rabbitmq.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("bench.relay", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind("packhouse.events", "catalog.product.#")
        await database.execute(SAY, RELAYED, AGGREGATES, '{"note": "' + "x" * 500 + '"}')
        began = time.perf_counter()
        await database.execute("select pg_notify('packhouse_catalog', '')")
        while await database.fetchval("select 1 from catalog.outbox limit 1"):
            if time.perf_counter() - began > FINISHED_WITHIN:
                raise TimeoutError("the outbox did not empty")
            await asyncio.sleep(0.02)
        spent = time.perf_counter() - began
        await queue.delete(if_empty=False, if_unused=False)
    await database.close()
    return Figures(RELAYED / spent, 0, 0)


async def raw_published(house: House) -> Figures:
    return Figures(await loop.published(house.stack.servers.rabbitmq.url, messages=RELAYED), 0, 0)


async def lag(house: House) -> Figures:
    """At 50 stores changed each second, the time until catalog has committed each change."""
    database, listener = await house.admin_database(), await house.admin_database()
    await database.execute(WATCH)
    applied: dict[str, float] = {}
    await listener.add_listener("bench_applied", lambda *told: applied.setdefault(told[3], time.perf_counter()))
    payloads = await _payloads(database)
    committed: dict[str, float] = {}
    for place in range(LAG_EVENTS):
        store, payload = payloads[place % len(payloads)]
        number = await database.fetchval(CHANGE, store, payload)
        committed[f"{store} {number}"] = time.perf_counter()
        await asyncio.sleep(LAG_EVERY)
    await asyncio.sleep(1)
    await database.execute(UNWATCH)
    await database.close()
    await listener.close()
    lost = [said for said in committed if said not in applied]
    latencies = [applied[said] - committed[said] for said in committed if said in applied]
    return Figures.of(latencies, LAG_EVENTS * LAG_EVERY, errors=len(lost))


async def _payloads(database: asyncpg.Connection) -> Sequence[tuple[UUID, str]]:
    """Stores and their latest snapshots, as identity has told them."""
    rows = await database.fetch(
        "select distinct on (aggregate_id) aggregate_id, payload::text from identity.outbox_archive"
        " where aggregate_type = 'store' order by aggregate_id, aggregate_seq desc limit 50"
    )
    return [(row["aggregate_id"], row["payload"]) for row in rows]


async def raw_lag(house: House) -> Figures:
    url, database = house.stack.servers.rabbitmq.url, house.stack.database_url()
    latencies = await loop.Loop().timed(database, url, events=LAG_EVENTS, every=LAG_EVERY)
    return Figures.of(latencies, LAG_EVENTS * LAG_EVERY, errors=LAG_EVENTS - len(latencies))
