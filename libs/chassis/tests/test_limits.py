"""Limits hold in Redis, across processes, and inside the process while Redis is away (spec 16.2, reliability F-I10)."""

import asyncio
from collections.abc import AsyncIterator

import http_sf
import pytest
from redis.asyncio import BlockingConnectionPool, Redis

from chassis.limits import KEY_PREFIX, Exhausted, Limits, OwnWindows, Policy, fields

SECRET = "a long and quite random text for the tests"
FIVE = Policy("five", 5, 60)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    pool = BlockingConnectionPool.from_url(redis_url, protocol=2, decode_responses=True, max_connections=16)
    client = Redis.from_pool(pool)
    for key in await client.keys(f"{KEY_PREFIX}:*"):
        await client.delete(key)
    yield client
    await client.aclose()


def away() -> Redis:
    return Redis.from_url("redis://127.0.0.1:1/0", protocol=2)


async def admitted(limits: Limits, policy: Policy, subject: str, tries: int) -> int:
    return sum([(await limits.take(policy, subject)).allowed for _ in range(tries)])


async def test_the_sixth_use_of_five_is_refused_and_says_when_to_come_back(redis: Redis) -> None:
    limits = Limits(redis, secret=SECRET)
    assert [(await limits.take(FIVE, "ann")).remaining for _ in range(5)] == [4, 3, 2, 1, 0]
    with pytest.raises(Exhausted) as refused:
        await limits.demand((FIVE, "ann"))
    assert refused.value.retry_after is not None
    assert 1 <= refused.value.retry_after <= 61
    assert (await limits.take(FIVE, "bob")).allowed


async def test_after_the_told_seconds_there_is_room_again(redis: Redis) -> None:
    limits, brief = Limits(redis, secret=SECRET), Policy("brief", 3, 2)
    assert await admitted(limits, brief, "ann", 4) == 3
    await asyncio.sleep((await limits.take(brief, "ann")).reset_seconds)
    assert (await limits.take(brief, "ann")).allowed


async def test_two_processes_share_one_limit(redis: Redis) -> None:
    first, second = Limits(redis, secret=SECRET), Limits(redis, secret=SECRET)
    assert await admitted(first, FIVE, "ann", 3) + await admitted(second, FIVE, "ann", 4) == 5


async def test_a_burst_at_once_admits_exactly_the_limit(redis: Redis) -> None:
    limits, policy = Limits(redis, secret=SECRET), Policy("burst", 100, 60)
    standings = await asyncio.gather(*(limits.take(policy, "ann") for _ in range(300)))
    assert sum(standing.allowed for standing in standings) == 100


async def test_leases_ask_redis_seldom_and_admit_no_more_than_the_limit(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, asked = Policy("leased", 100, 60, lease=10), []
    execute = redis.connection_pool.get_connection

    async def counting(*arguments: object) -> object:
        asked.append(arguments)
        return await execute(*arguments)

    monkeypatch.setattr(redis.connection_pool, "get_connection", counting)
    assert await admitted(Limits(redis, secret=SECRET), policy, "ann", 90) == 90
    assert 0 < len(asked) <= 90 / 3
    assert await admitted(Limits(redis, secret=SECRET), policy, "ann", 50) == 10


async def test_requests_at_once_share_a_lease_and_waste_none(redis: Redis) -> None:
    policy = Policy("leased", 100, 60, lease=10)
    two = [Limits(redis, secret=SECRET) for _ in range(2)]
    standings = await asyncio.gather(*(two[turn % 2].take(policy, "ann") for turn in range(150)))
    assert sum(standing.allowed for standing in standings) == 100


async def test_keys_are_named_as_the_specification_says_and_tell_nothing(redis: Redis) -> None:
    limits = Limits(redis, secret=SECRET)
    await limits.take(FIVE, "ann@example.com")
    assert await redis.keys(f"{KEY_PREFIX}:*") == [f"pf:rl:{limits.key(FIVE, 'ann@example.com')}"]
    assert limits.key(FIVE, "ann@example.com").startswith("five:")
    assert "ann" not in limits.key(FIVE, "ann@example.com")
    assert limits.key(FIVE, "ann") != Limits(redis, secret=SECRET[::-1]).key(FIVE, "ann")


async def test_without_redis_the_process_keeps_the_same_limits() -> None:
    limits = Limits(away(), secret=SECRET)
    assert await admitted(limits, FIVE, "ann", 20) == 5
    assert await admitted(limits, Policy("leased", 100, 60, lease=10), "ann", 200) == 100


async def test_a_redis_that_goes_away_in_the_middle_opens_no_second_window(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(redis, secret=SECRET)
    assert await admitted(limits, FIVE, "ann", 3) == 3
    monkeypatch.setattr(redis.connection_pool, "get_connection", _refuse)
    assert await admitted(limits, FIVE, "ann", 10) == 2


def test_the_own_window_slides() -> None:
    windows, ten = OwnWindows(), Policy("ten", 10, 60)

    def admitted_at(now: float, tries: int) -> int:
        return sum(windows.use(ten, "ann", 1, now).allowed for _ in range(tries))

    assert admitted_at(1000, 4) == 4
    assert admitted_at(1030, 15) == 6
    told = windows.use(ten, "ann", 1, 1030)
    assert (told.allowed, told.remaining, told.reset_seconds) == (False, 0, 31)
    assert admitted_at(1030 + told.reset_seconds, 15) == 4
    assert admitted_at(1200, 15) == 10


async def test_what_redis_refuses_does_not_count_in_the_process(redis: Redis) -> None:
    limits, other = Limits(redis, secret=SECRET), Limits(redis, secret=SECRET)
    assert await admitted(other, FIVE, "ann", 5) == 5
    assert await admitted(limits, FIVE, "ann", 5) == 0
    await redis.delete(f"{KEY_PREFIX}:{limits.key(FIVE, 'ann')}")
    assert await admitted(limits, FIVE, "ann", 6) == 5


async def test_redis_counts_again_when_it_is_back(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(redis, secret=SECRET)
    monkeypatch.setattr(redis.connection_pool, "get_connection", _refuse)
    assert (await limits.take(FIVE, "ann")).allowed
    monkeypatch.undo()
    monkeypatch.setattr(limits, "_away_until", 0.0)
    assert await admitted(limits, FIVE, "ann", 6) == 4, "one was used meanwhile"
    assert await redis.keys(f"{KEY_PREFIX}:*")


async def _refuse(*_: object) -> None:
    raise ConnectionError


async def test_limits_that_are_off_admit_everything() -> None:
    limits = Limits(away(), secret=SECRET, enabled=False)
    assert await admitted(limits, FIVE, "ann", 50) == 50


async def test_the_ietf_fields_are_structured_and_name_each_policy(redis: Redis) -> None:
    limits = Limits(redis, secret=SECRET)
    told = fields(await limits.demand((FIVE, "ann"), (Policy("hundred", 100, 60), "10.0.0.1")))
    assert told["RateLimit-Policy"] == '"five";q=5;w=60, "hundred";q=100;w=60'
    left = http_sf.parse(told["RateLimit"].encode(), tltype="list")
    assert [(item[0], item[1]["r"]) for item in left] == [("five", 4), ("hundred", 99)]
