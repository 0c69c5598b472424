"""Relay and consumer die or stop answering beside a standby, which takes over; who wakes does no harm (F-D5, F-D15)."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import bakery
import psutil
import pytest
from kitchen import Bakery, eventually, milled
from workers import LONG, SHORT, Form, Supervised, mill_says, supervised

from chassis.floor import Floor
from chassis.settings import ServiceSettings
from testkit.reliability import Reliability, counted
from testkit.tap import tapped

KILLED_LEADER_SECONDS, PAUSED_LEADER_SECONDS, PAUSED_CONSUMER_SECONDS = 2.0, 10.0, 30.0
STARTED_SECONDS = 60.0
"""A process imports for two seconds, and for many on a machine that has other things to do."""
UNDER_WAY_SECONDS = 1.0
"""Commits that a process has sent before it was stopped are done by then."""
SettingsOf = Callable[..., ServiceSettings]

_LEADERS = """
select pid, client_port from pg_stat_activity join pg_locks using (pid)
where locktype = 'advisory' and granted
  and database = (select oid from pg_database where datname = current_database())
"""
_SESSIONS = """
select pid from pg_stat_activity
where application_name = 'packhouse mill relay' and datname = current_database()
"""


@dataclass(frozen=True)
class Leader:
    """Who leads: its session in PostgreSQL, and the process that holds the other end of it."""

    session: int
    process: psutil.Process


@dataclass(frozen=True)
class Relays:
    """Two relays of the mill in processes of their own, one leading, the other standing by."""

    admin: asyncpg.Connection
    places: tuple[Supervised, Supervised]

    async def sessions(self) -> set[int]:
        return {row["pid"] for row in await self.admin.fetch(_SESSIONS)}

    async def both_at_work(self) -> bool:
        """Whether one leads and the other waits to."""
        return len(await self.sessions()) == 2 and await self.leader() is not None

    async def leader(self) -> Leader | None:
        """None between two leaders; more than one at a time fails the test."""
        rows = await self.admin.fetch(_LEADERS)
        assert len(rows) <= 1, f"{len(rows)} leaders at one time"
        workers = [worker for place in self.places if (worker := place.worker)]
        owners = [(row["pid"], worker) for row in rows for worker in workers if _holds(worker, row["client_port"])]
        return Leader(*owners[0]) if owners else None

    async def loses_its_leader(self, strike: signal.Signals) -> tuple[Leader, float]:
        """Who led, and the seconds from the strike until another leads."""
        await eventually(self.both_at_work, seconds=STARTED_SECONDS)
        struck = await self.leader()
        assert struck is not None
        struck.process.send_signal(strike)
        began = time.monotonic()

        async def another_leads() -> bool:
            now = await self.leader()
            return now is not None and now.session != struck.session

        await eventually(another_leads, seconds=30)
        return struck, time.monotonic() - began


def _holds(process: psutil.Process, port: int) -> bool:
    """Whether a connection of this process comes from this port; one that has just died holds nothing."""
    try:
        return any(one.laddr.port == port for one in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
async def relays(bakery_url: str, settings_of: SettingsOf, tmp_path: Path) -> AsyncIterator[Relays]:
    settings, admin = settings_of(bakery.MILL), await asyncpg.connect(bakery_url)
    with (
        supervised(settings, "mill", tmp_path / "one") as one,
        supervised(settings, "mill", tmp_path / "other") as other,
    ):
        yield Relays(admin, (one, other))
    await admin.close()


@pytest.mark.parametrize("form", [SHORT, pytest.param(Form(30, 40, 250), marks=LONG)], ids=lambda form: form.events)
async def test_a_killed_leader_is_replaced_within_two_seconds(
    baker: Bakery, mill: Floor, relays: Relays, reliability: Reliability, form: Form
) -> None:
    """It dies in the middle of what was said just before."""
    sacks, takeovers = [uuid4() for _ in range(form.aggregates)], []
    step = form.each // form.times
    async with tapped(baker.rabbitmq_url, "mill.#") as tap, baker.consuming():
        for first in range(1, form.times * step, step):
            await eventually(relays.both_at_work, seconds=STARTED_SECONDS)
            await mill_says(mill, sacks, range(first, first + step))
            takeovers.append((await relays.loses_its_leader(signal.SIGKILL))[1])
        await mill_says(mill, sacks, range(form.times * step + 1, form.each + 1))
        await baker.comes_to_rest(form.events)
        killed = sum(place.killed for place in relays.places)

    reliability.record(
        "F-D5",
        faults=killed,
        at_least=form.times,
        tally=await baker.tally(dict.fromkeys(sacks, form.each)),
        recovery_seconds=max(takeovers),
        events=form.events,
        duplicates_on_the_wire=len(tap.heard) - form.events,
    )
    assert max(takeovers) <= KILLED_LEADER_SECONDS
    assert await baker.held() == []


@pytest.mark.parametrize("pause", [10.0, pytest.param(30.0, marks=LONG)])
async def test_a_paused_leader_is_replaced_within_ten_seconds_and_wakes_without_its_session(
    baker: Bakery, mill: Floor, relays: Relays, reliability: Reliability, pause: float
) -> None:
    """It is stopped in the middle of what was said just before, and finds another leader when it goes on."""
    sacks = [uuid4() for _ in range(20)]
    async with baker.consuming():
        await eventually(relays.both_at_work, seconds=STARTED_SECONDS)
        await mill_says(mill, sacks, range(1, 26))
        paused, takeover = await relays.loses_its_leader(signal.SIGSTOP)
        stopped = paused.process.status() == psutil.STATUS_STOPPED
        await mill_says(mill, sacks, range(26, 46))
        await asyncio.sleep(max(0.0, pause - takeover))
        paused.process.send_signal(signal.SIGCONT)
        await mill_says(mill, sacks, range(46, 51))
        await eventually(relays.both_at_work, seconds=STARTED_SECONDS)
        await baker.comes_to_rest(1000)
        leader, sessions = await relays.leader(), await relays.sessions()

    reliability.record(
        "F-D5",
        faults=int(stopped),
        tally=await baker.tally(dict.fromkeys(sacks, 50)),
        recovery_seconds=takeover,
        pause_seconds=pause,
    )
    assert takeover <= PAUSED_LEADER_SECONDS
    assert paused.session not in sessions
    assert leader is not None
    assert leader.process != paused.process
    assert not any(place.deaths.exists() for place in relays.places), "it stands by again, and has not died of it"
    assert await baker.held() == []


async def takeover_from_a_paused_consumer(baker: Bakery, active: Supervised, sacks: Sequence[UUID]) -> float:
    """Seconds from the pause until the standby has applied something; fifty events of each sack are said in all.

    The one that is stopped has committed and not acknowledged: what it has applied comes to the standby again. Once it
    goes on it stands by, and when the other one ends it takes over from it.
    """
    before = len(await baker.baked())
    await eventually(baker.has_a_consumer, seconds=STARTED_SECONDS)
    async with baker.consuming():
        await baker.publish(*(milled(sack, seq) for seq in range(1, 26) for sack in sacks))
        await eventually(lambda: _more_is_baked(baker, before), seconds=STARTED_SECONDS)
        paused = active.worker
        assert paused is not None
        paused.suspend()
        began = time.monotonic()
        await asyncio.sleep(UNDER_WAY_SECONDS)
        assert paused.status() == psutil.STATUS_STOPPED
        baked = len(await baker.baked())
        await eventually(lambda: _more_is_baked(baker, baked), seconds=60)
        takeover = time.monotonic() - began
        paused.resume()
        await baker.publish(*(milled(sack, seq) for seq in range(26, 50) for sack in sacks))
        await baker.comes_to_rest(before + 49 * len(sacks))
    await baker.publish(*(milled(sack, 50) for sack in sacks))
    await baker.comes_to_rest(before + 50 * len(sacks))
    assert active.worker == paused, "it has not died of it"
    return takeover


@pytest.mark.parametrize("pauses", [1, pytest.param(3, marks=LONG)])
async def test_a_paused_consumer_is_replaced_within_thirty_seconds(
    baker: Bakery, settings_of: SettingsOf, tmp_path: Path, reliability: Reliability, pauses: int
) -> None:
    groups, takeovers = [[uuid4() for _ in range(20)] for _ in range(pauses)], []
    before = _found_to_be_duplicates()
    for place, sacks in enumerate(groups):
        slow = ["inbox.after_commit=sleep:2"]
        with supervised(settings_of(bakery.BAKER), "baker", tmp_path / f"deaths-{place}", slow) as active:
            takeovers.append(await takeover_from_a_paused_consumer(baker, active, sacks))

    handled_by_both = _found_to_be_duplicates() - before
    reliability.record(
        "F-D15",
        faults=len(takeovers),
        at_least=pauses,
        tally=await baker.tally({sack: 50 for sacks in groups for sack in sacks}),
        recovery_seconds=max(takeovers),
        events=1000 * pauses,
        handled_by_both=handled_by_both,
    )
    assert max(takeovers) <= PAUSED_CONSUMER_SECONDS
    assert handled_by_both >= 1
    assert await baker.held() == []


def _found_to_be_duplicates() -> float:
    return counted("inbox_events_total", outcome="duplicate")


async def _more_is_baked(baker: Bakery, count: int) -> bool:
    return len(await baker.baked()) > count
