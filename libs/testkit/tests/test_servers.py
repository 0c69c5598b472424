"""The session's servers: real, separate for each worker, with a database of its own for each test."""

import json

import aio_pika
import asyncpg
import redis.asyncio

from testkit.servers import TestServers

BUILDS: list[str] = []


async def build(url: str) -> None:
    BUILDS.append(url)
    connection = await asyncpg.connect(url)
    await connection.execute("create table thing (id int)")
    await connection.close()


async def test_each_test_database_is_a_clone_that_sees_nothing_of_the_others(servers: TestServers) -> None:
    async with servers.database("things", build) as first, servers.database("things", build) as second:
        one, other = await asyncpg.connect(first), await asyncpg.connect(second)
        await one.execute("insert into thing values (1)")
        assert await other.fetchval("select count(*) from thing") == 0
        await one.close()
        await other.close()
    assert len(BUILDS) <= 1


async def test_a_database_is_gone_after_its_test(servers: TestServers) -> None:
    async with servers.database("things", build) as url:
        name = url.rpartition("/")[2]
    connection = await asyncpg.connect(servers.postgres_url)
    assert not await connection.fetchval("select exists (select from pg_database where datname = $1)", name)
    await connection.close()


async def test_each_test_has_buckets_and_a_subscription_of_its_own(servers: TestServers) -> None:
    async with servers.cloud() as first, servers.cloud() as second:
        assert (first.storage_url, first.pubsub_emulator) == (second.storage_url, second.pubsub_emulator)
        assert not {first.private_bucket, first.public_bucket, first.subscription} & set(second.variables.values())
        assert first.settings["storage_private_bucket"] == first.private_bucket
        assert json.loads(first.key_file.read_text())["type"] == "service_account"


async def test_redis_and_rabbitmq_answer_at_their_addresses(redis_url: str, rabbitmq_url: str) -> None:
    async with redis.asyncio.from_url(redis_url, protocol=3) as client:
        assert await client.ping()
    connection = await aio_pika.connect(rabbitmq_url)
    await connection.close()
