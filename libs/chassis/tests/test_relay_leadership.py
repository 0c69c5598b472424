import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from chassis import failpoints
from testkit.relays import relaying
from testkit.reliability import Reliability, Tally
from testkit.sample.bench import Bench
from testkit.sample.manifest import ThingSaid
from testkit.tap import Tap, eventually, tapped


@pytest.fixture
async def tap(bench: Bench) -> AsyncIterator[Tap]:
    async with tapped(bench.settings.rabbitmq_url) as tap:
        yield tap


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
    async with relaying(bench.floor, 4):
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
