import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chassis.outbox import Relay, leadership
from testkit.sample.bench import SECRET, Bench
from testkit.sample.manifest import ThingSaid
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
    process = subprocess.Popen([sys.executable, str(PROCESS)], env=environment, stdout=subprocess.DEVNULL)  # noqa: S603  our own file
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


@pytest.mark.plant("two relays lead")
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


async def test_relays_that_do_not_ask_who_leads_are_caught(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always(*_: object) -> bool:
        return True

    monkeypatch.setattr(leadership, "try_lead", always)

    with pytest.raises(AssertionError):
        await test_four_relays_have_one_leader_and_no_inversion(bench, tap)
