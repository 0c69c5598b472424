import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from chassis import failpoints
from chassis.outbox import Relay, pipeline, publishing
from chassis.outbox.publishing import NotPublished, Publisher
from testkit.proxy import ChaosProxy
from testkit.sample.bench import SECRET, Bench
from testkit.sample.manifest import OtherSaid, ThingSaid
from testkit.tap import Tap, eventually, tapped

PROCESS = Path(__file__).parent / "relay_process.py"


@pytest.fixture
async def tap(bench: Bench) -> AsyncIterator[Tap]:
    async with tapped(bench.settings.rabbitmq_url) as tap:
        yield tap


@asynccontextmanager
async def relays(bench: Bench, count: int = 1) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(Relay(bench.floor).run(stop)) for _ in range(count)]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 15)


@contextmanager
def relay_process(bench: Bench, failpoint: str = "") -> Iterator[subprocess.Popen[bytes]]:
    settings = bench.settings
    variables = {
        "ENVIRONMENT": "test",
        "DATABASE_URL": settings.database_url,
        "RELAY_DATABASE_URL": settings.relay_database_url,
        "REDIS_URL": settings.redis_url,
        "RABBITMQ_URL": settings.rabbitmq_url,
        "KEY_FILE": "unused",
        "TRUST_FILE": "unused",
        "HMAC_SECRET": SECRET,
        "FAILPOINTS": failpoint,
    }
    environment = os.environ | {f"PACKHOUSE_{name}": value for name, value in variables.items()}
    process = subprocess.Popen([sys.executable, str(PROCESS)], env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def saying(things: list[UUID], each: int) -> list[list[ThingSaid]]:
    """Transactions that say something of every thing, `each` times."""
    return [[ThingSaid(thing_id=thing, text="x", number=n) for thing in things] for n in range(each)]


async def leaders(bench: Bench) -> list[int]:
    """Backends that hold an advisory lock in this database."""
    async with bench.connected() as admin:
        rows = await admin.fetch(
            "select pid from pg_locks where locktype = 'advisory' and granted"
            " and database = (select oid from pg_database where datname = current_database())"
        )
    return [row["pid"] for row in rows]


async def test_events_reach_the_broker_in_order_and_then_the_archive(bench: Bench, tap: Tap) -> None:
    things = [uuid4() for _ in range(40)]
    async with relays(bench):
        for events in saying(things, 10):
            await bench.say(*events)
        await tap.until(400)

    # Leaving the block stops the relay, which finishes its moves first.
    assert tap.first_numbers() == {thing: list(range(1, 11)) for thing in things}
    assert len(tap.heard) == 400
    assert await bench.count("outbox") == 0
    assert await bench.count("outbox_archive") == 400


async def test_an_envelope_tells_all_that_was_known(bench: Bench, tap: Tap) -> None:
    thing = uuid4()
    await bench.say(ThingSaid(thing_id=thing, text="häuser", number=3))
    await Relay(bench.floor).drain()

    event = (await tap.until(1))[0]
    assert (event.topic, event.routing_key) == ("sample.thing_said.v1", "sample.thing.thing_said.v1")
    assert (event.source, event.epoch, event.seq, event.baseline) == ("sample", 1, 1, False)
    assert (event.actor, event.request_id) == ("service:test", "test")
    assert event.data == {"thing_id": str(thing), "text": "häuser", "number": 3}


async def test_notify_wakes_the_leader_and_without_it_the_poll_does(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relays(bench):
        await bench.say(ThingSaid(thing_id=uuid4(), text="warm"))
        await tap.until(1)

        monkeypatch.setattr(pipeline, "POLL_SECONDS", 30.0)
        await asyncio.sleep(0.6)
        await bench.say(ThingSaid(thing_id=uuid4(), text="notified"))
        await tap.until(2, seconds=1)

        monkeypatch.undo()
        async with bench.connected() as admin:
            await bench.say(ThingSaid(thing_id=uuid4(), text="wakes up to the shorter poll"))
            await tap.until(3, seconds=1)
            await admin.execute(
                "insert into outbox (event_id, type, aggregate_type, aggregate_id, aggregate_seq, epoch, payload)"
                " values (gen_random_uuid(), 'sample.thing_said.v1', 'thing', gen_random_uuid(), 1, 1, '{}')"
            )
        await tap.until(4, seconds=1)


async def test_four_relays_have_one_leader_and_no_inversion(bench: Bench, tap: Tap) -> None:
    """The leader's session is killed again and again, so leadership changes while events flow."""
    things, seen, killed = [uuid4() for _ in range(20)], [], 0
    async with relays(bench, 4):
        await eventually(lambda: leaders(bench))
        for place, events in enumerate(saying(things, 40)):
            await bench.say(*events)
            holding = await leaders(bench)
            seen.append(len(holding))
            if place % 10 == 5 and holding:
                async with bench.connected() as admin:
                    killed += await admin.fetchval("select pg_terminate_backend($1)::int", holding[0])
                lost_at = time.monotonic()
                await eventually(lambda: leaders(bench), seconds=2)
                assert time.monotonic() - lost_at < 2
        await tap.until(800)

    assert max(seen) == 1
    assert killed >= 3
    assert tap.first_numbers() == {thing: list(range(1, 41)) for thing in things}


async def test_a_relay_killed_between_confirm_and_move_repeats_but_loses_nothing(bench: Bench, tap: Tap) -> None:
    things, kills = [uuid4() for _ in range(20)], 0
    for events in saying(things, 10):
        await bench.say(*events)

    for place in (1, 30, 60):
        with relay_process(bench, f"relay.after_confirm=kill@{place}") as process:
            kills += process.wait(timeout=20) == -signal.SIGKILL
    async with relays(bench):
        await tap.until(200)

    assert kills == 3
    assert len(tap.heard) > 200
    assert tap.first_numbers() == {thing: list(range(1, 11)) for thing in things}


async def test_a_paused_leader_is_replaced_and_does_no_harm_when_it_wakes(bench: Bench, tap: Tap) -> None:
    thing = uuid4()
    with relay_process(bench) as first:
        await bench.say(ThingSaid(thing_id=thing, text="by the first"))
        await tap.until(1)
        first.send_signal(signal.SIGSTOP)
        paused_at = time.monotonic()
        async with relays(bench):
            await bench.say(ThingSaid(thing_id=thing, text="by the second"))
            await tap.until(2, seconds=12)
            assert time.monotonic() - paused_at < 10
            first.send_signal(signal.SIGCONT)
            await asyncio.sleep(1)
            await bench.say(ThingSaid(thing_id=thing, text="by whoever leads"))
            await tap.until(3)
            assert len(await leaders(bench)) == 1
        assert first.poll() is None

    assert [event.seq for event in tap.heard] == [1, 2, 3]


async def test_a_refused_event_holds_its_aggregate_only_and_order_survives(bench: Bench, tap: Tap) -> None:
    failpoints.arm("relay.before_publish=error@0.05")
    things = [uuid4() for _ in range(40)]
    async with relays(bench):
        for events in saying(things, 20):
            await bench.say(*events)
        await tap.until(800, seconds=30)

    assert tap.first_numbers() == {thing: list(range(1, 21)) for thing in things}


async def test_one_aggregate_that_always_fails_stops_no_other(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, others = uuid4(), [uuid4() for _ in range(10)]
    publish = Publisher.publish

    async def refuse_bad(self: Publisher, envelope) -> None:
        if envelope.aggregate_id == bad:
            raise NotPublished("refused")
        await publish(self, envelope)

    monkeypatch.setattr(Publisher, "publish", refuse_bad)
    async with relays(bench):
        for events in saying([bad, *others], 5):
            await bench.say(*events)
        await tap.until(50)
        await asyncio.sleep(0.5)
        assert await bench.count("outbox") == 5
        monkeypatch.undo()
        await tap.until(55, seconds=30)

    assert tap.first_numbers()[bad] == [1, 2, 3, 4, 5]


async def test_three_hundred_held_rows_at_the_head_do_not_starve_the_rest(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer that the event map names has lost its binding: held until it is back, and then sent soon."""
    monkeypatch.setattr(publishing, "consumers_of", lambda topic: {"somebody"} if "other" in topic else set())
    await tap.unbind("#")
    await tap.bind("sample.thing.#")
    for _ in range(3):
        await bench.say(*(OtherSaid(other_id=uuid4()) for _ in range(100)))
    await bench.say(ThingSaid(thing_id=uuid4(), text="behind"))

    async with relays(bench):
        await tap.until(1, seconds=3)
        await bench.say(ThingSaid(thing_id=uuid4(), text="later"))
        await tap.until(2, seconds=1)
        await asyncio.sleep(3)
        assert await bench.count("outbox") == 300
        await tap.bind("sample.other.#")
        await tap.until(302, seconds=5)


async def test_an_event_that_nobody_awaits_counts_as_published(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "consumers_of", lambda _: set())
    await tap.unbind("#")
    await bench.say(ThingSaid(thing_id=uuid4(), text="to nobody"))

    await Relay(bench.floor).drain()

    assert await bench.count("outbox") == 0
    assert await bench.count("outbox_archive") == 1


async def test_a_cut_broker_connection_loses_and_inverts_nothing(bench: Bench, tap: Tap) -> None:
    things, parts = [uuid4() for _ in range(20)], urlsplit(bench.settings.rabbitmq_url)
    async with ChaosProxy(str(parts.hostname), parts.port or 5672) as proxy:
        proxy.faults.refuse = True
        far = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()
        bench.settings = bench.settings.model_copy(update={"rabbitmq_url": far})
        async with relays(bench):
            await asyncio.sleep(0.5)
            proxy.heal()
            proxy.faults.latency_ms = 5
            for events in saying(things, 30):
                await bench.say(*events)
                if events[0].number in {5, 15, 25}:
                    connected = proxy.connections + 1
                    await eventually(lambda wanted=connected: proxy.connections >= wanted or tap.heard)
                    await asyncio.sleep(0.05)
                    proxy.reset()
                    await eventually(lambda wanted=connected: proxy.connections >= wanted)
            await tap.until(600, seconds=30)
        assert proxy.connections >= 3

    assert tap.first_numbers() == {thing: list(range(1, 31)) for thing in things}
    assert await bench.count("outbox") == 0
