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

from chassis import failpoints
from chassis.outbox import Relay
from testkit.reliability import Reliability, Tally
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
def relay_process(bench: Bench) -> Iterator[subprocess.Popen[bytes]]:
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


async def leader_killed(bench: Bench) -> float:
    """Kill the leader's session; seconds until another one leads. A backend that is still dying does not count."""
    await eventually(lambda: leaders(bench))
    (killed,) = await leaders(bench)
    async with bench.connected() as admin:
        assert await admin.fetchval("select pg_terminate_backend($1)", killed)
    lost_at = time.monotonic()

    async def another_leads() -> bool:
        now = await leaders(bench)
        return bool(now) and killed not in now

    await eventually(another_leads)
    return time.monotonic() - lost_at


@pytest.mark.plant("two SKIP LOCKED relays")
async def test_four_relays_have_one_leader_and_no_inversion(bench: Bench, tap: Tap, reliability: Reliability) -> None:
    """The leader's session is killed again and again, and a publish fails now and then, while events flow."""
    failpoints.arm("relay.before_publish=error@0.03")
    things, seen, killed, takeovers = [uuid4() for _ in range(20)], [], 0, []
    async with relays(bench, 4):
        await eventually(lambda: leaders(bench))
        for place, events in enumerate(saying(things, 50)):
            await bench.say(*events)
            if place % 5:
                continue
            seen.append(len(await leaders(bench)))
            if place % 10 == 5:
                takeovers.append(await leader_killed(bench))
                killed += 1
        await tap.until(1000)

    first = [(thing, number) for thing, numbers in tap.first_numbers().items() for number in numbers]
    reliability.record(
        "F-D4",
        faults=killed,
        at_least=3,
        tally=Tally.of(first, dict.fromkeys(things, 50)),
        recovery_seconds=max(takeovers),
        relays=4,
        leaders_at_once=max(seen),
    )
    assert max(seen) == 1
    assert max(takeovers) < 2


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
