"""The consuming process: nothing is lost or doubled when it, its broker or its database goes away (F-D8)."""

import asyncio
import json
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import bakery
import pytest
from kitchen import Bakery, eventually, milled
from redis.asyncio import Redis

from chassis.floor import open_floor
from chassis.settings import ServiceSettings
from testkit.proxy import ChaosProxy

SettingsOf = Callable[..., ServiceSettings]


def through(url: str, proxy: ChaosProxy) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))


def proxy_to(url: str) -> ChaosProxy:
    parts = urlsplit(url)
    return ChaosProxy(parts.hostname or "127.0.0.1", parts.port or 0)


async def test_events_come_through_exchange_queue_and_inbox_and_leave_a_marker(baker: Bakery) -> None:
    sack = uuid4()
    events = [milled(sack, seq) for seq in range(1, 201)]
    async with baker.consuming():
        await baker.publish(*events)
        await eventually(lambda: baker.has_baked(200))
        await eventually(lambda: _is_marked(baker.floor.redis, str(events[199].event_id)))

    assert await baker.baked(sack) == list(range(1, 201))


async def _is_marked(redis: Redis, event_id: str) -> bool:
    key = f"pf:evt:processed:baker:{event_id}"
    return await redis.get(key) == "done" and await redis.ttl(key) > 719 * 3600


async def test_one_trace_and_request_id_go_through(baker: Bakery, capsys: pytest.CaptureFixture[str]) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    event = milled(uuid4(), 1, traceparent=f"00-{trace}-00f067aa0ba902b7-01", request_id="r-77")
    async with baker.consuming():
        await baker.publish(event)
        await eventually(lambda: baker.has_baked(1))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    applied = next(line for line in lines if line["event"] == "event.applied")
    assert (applied["trace_id"], applied["request_id"], applied["event_id"]) == (trace, "r-77", str(event.event_id))


async def test_a_connection_that_breaks_again_and_again_loses_and_doubles_nothing(
    baker: Bakery, settings_of: SettingsOf, rabbitmq_url: str
) -> None:
    sacks = [uuid4() for _ in range(20)]
    baker.oven.error_rate, baker.oven.seconds = 0.02, 0.002
    async with proxy_to(rabbitmq_url) as proxy:
        settings = settings_of(bakery.BAKER, rabbitmq_url=through(rabbitmq_url, proxy))
        async with open_floor(bakery.BAKER, settings) as floor, Bakery(floor, rabbitmq_url, baker.oven).consuming():
            for first in range(1, 31, 5):
                before = proxy.connections
                await baker.publish(*(milled(sack, seq) for seq in range(first, first + 5) for sack in sacks))
                proxy.reset()
                await eventually(lambda before=before: _grew(proxy, before))
            await eventually(lambda: baker.has_baked(600), seconds=30)

    assert await baker.violations() == 0


async def _grew(proxy: ChaosProxy, before: int) -> bool:
    return proxy.connections > before


async def test_while_the_database_is_away_nothing_is_counted_held_or_dead(
    baker: Bakery, settings_of: SettingsOf, rabbitmq_url: str
) -> None:
    sacks = [uuid4() for _ in range(10)]
    direct = settings_of(bakery.BAKER).database_url
    async with proxy_to(direct) as proxy:
        settings = settings_of(bakery.BAKER, database_url=through(direct, proxy))
        async with open_floor(bakery.BAKER, settings) as floor, Bakery(floor, rabbitmq_url, baker.oven).consuming():
            await baker.publish(*(milled(sack, 1) for sack in sacks))
            await eventually(lambda: baker.has_baked(10))
            proxy.faults.refuse = True
            proxy.reset()
            await baker.publish(*(milled(sack, 2) for sack in sacks))
            await asyncio.sleep(3)
            proxy.heal()
            await eventually(lambda: baker.has_baked(20))

    assert await baker.held() == []
    assert await baker.dead_letters(0)


async def test_redis_that_is_away_does_not_slow_the_consumer(
    baker: Bakery, settings_of: SettingsOf, rabbitmq_url: str
) -> None:
    settings = settings_of(bakery.BAKER, redis_url="redis://127.0.0.1:9/0")
    sack = uuid4()
    async with open_floor(bakery.BAKER, settings) as floor, Bakery(floor, rabbitmq_url, baker.oven).consuming():
        for seq in range(1, 101):
            await baker.publish(milled(sack, seq))
        await eventually(lambda: baker.has_baked(100), seconds=3)
