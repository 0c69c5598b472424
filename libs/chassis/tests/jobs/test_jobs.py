"""Who runs a job, for how long, and what a stale holder can no longer do (spec 1.8)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from chassis.db import Reader
from chassis.jobs import JobRun, LeaseLost, Scheduler, all_jobs, run_job
from chassis.jobs import lease as leases
from chassis.manifest import Job
from kernel.refusal import NotFound
from testkit.sample.bench import Bench
from testkit.sample.manifest import SERVICE

HOUR = timedelta(hours=1)
Work = Callable[[JobRun], Awaitable[None]]


def floor_with(bench: Bench, work: Work, every: timedelta = HOUR) -> Any:
    """A floor whose service has this one job, besides those every service has."""
    service = replace(SERVICE, jobs={"sweep": Job(every=every, run=work)})
    return SimpleNamespace(service=service, db=bench.db, clock=bench.clock, settings=bench.settings)


async def lease_row(bench: Bench) -> Any:
    async with bench.db.reader() as db:
        return await db.fetchrow("select * from job_leases where job = 'sweep'")


async def nothing(_: JobRun) -> None:
    return


async def add_thing(run: JobRun, thing_id: UUID) -> None:
    async with run.transaction() as tx:
        sql = "insert into things (id, name, colour, price_cents) values ($1, $1::uuid::text, 'red', 0)"
        await tx.run(sql, thing_id)


async def test_a_run_is_recorded_and_leaves_the_job_free(bench: Bench) -> None:
    outcome = await run_job(floor_with(bench, nothing), "sweep")

    assert (outcome.ran, outcome.succeeded) == (True, True)
    row = await lease_row(bench)
    assert (row["holder"], row["expires_at"], row["last_result"], row["fencing_token"]) == (None, None, "success", 1)
    assert row["last_started_at"] <= row["last_finished_at"]


async def test_metrics_tell_how_long_ago_a_job_went_well_and_how_often_it_should(bench: Bench) -> None:
    async def fail(_: JobRun) -> None:
        raise RuntimeError

    def told(name: str) -> float:
        return REGISTRY.get_sample_value(name, {"job": "sweep"}) or 0.0

    await run_job(floor_with(bench, nothing), "sweep")
    went_well = told("job_last_success_timestamp_seconds")
    await run_job(floor_with(bench, fail), "sweep")

    assert time.time() - 60 < went_well <= time.time()
    assert told("job_last_success_timestamp_seconds") == went_well
    assert told("job_period_seconds") == HOUR.total_seconds()


async def test_two_processes_that_tick_at_once_run_a_job_once(bench: Bench) -> None:
    runs = 0

    async def count(_: JobRun) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.2)

    floor = floor_with(bench, count)
    outcomes = await asyncio.gather(*(run_job(floor, "sweep", only_if_due=True) for _ in range(5)))
    outcomes += await asyncio.gather(*(run_job(floor, "sweep", only_if_due=True) for _ in range(5)))

    assert runs == 1
    assert [outcome.ran for outcome in outcomes].count(True) == 1


async def test_a_job_is_due_again_after_its_period_and_a_failed_one_after_a_minute(bench: Bench) -> None:
    async def fail(_: JobRun) -> None:
        raise RuntimeError("broken")

    assert (await run_job(floor_with(bench, nothing), "sweep", only_if_due=True)).ran
    bench.clock.turn(HOUR)
    outcome = await run_job(floor_with(bench, fail), "sweep", only_if_due=True)
    assert (outcome.ran, outcome.succeeded) == (True, False)
    assert not (await run_job(floor_with(bench, nothing), "sweep", only_if_due=True)).ran
    bench.clock.turn(timedelta(minutes=1))
    assert (await run_job(floor_with(bench, nothing), "sweep", only_if_due=True)).ran


async def test_a_person_may_run_a_job_that_is_not_due(bench: Bench) -> None:
    floor = floor_with(bench, nothing)
    assert (await run_job(floor, "sweep")).ran
    assert (await run_job(floor, "sweep")).ran
    with pytest.raises(NotFound):
        await run_job(floor, "no-such-job")


async def test_crashed_job_is_taken_over_within_5_min(bench: Bench) -> None:
    floor = floor_with(bench, nothing)
    await take_and_die(bench)
    assert not (await run_job(floor, "sweep", only_if_due=True)).ran
    bench.clock.turn(leases.LEASE)

    assert (await run_job(floor, "sweep", only_if_due=True)).ran
    assert timedelta(minutes=5) >= leases.LEASE


async def take_and_die(bench: Bench) -> None:
    """Take the lease and never give it back, as a process does that is killed."""
    lease = await leases.take(bench.db, "sweep", HOUR)
    assert lease is not None
    assert (await lease_row(bench))["holder"] == lease.holder


async def test_a_running_job_keeps_its_lease(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(leases, "LEASE", timedelta(seconds=0.6))

    async def work(_: JobRun) -> None:
        await asyncio.sleep(1.5)

    floor = floor_with(bench, work)
    first = asyncio.create_task(run_job(floor, "sweep"))
    for _ in range(12):
        await asyncio.sleep(0.1)
        assert not (await run_job(floor_with(bench, nothing), "sweep")).ran
    assert (await first).succeeded


async def test_stale_job_holder_is_fenced(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 3600)
    early, late, by_other = uuid4(), uuid4(), uuid4()
    problem: list[BaseException] = []

    async def other(run: JobRun) -> None:
        await add_thing(run, by_other)

    async def paused(run: JobRun) -> None:
        await add_thing(run, early)
        bench.clock.turn(leases.LEASE)
        assert (await run_job(floor_with(bench, other), "sweep")).succeeded
        try:
            await add_thing(run, late)
        except LeaseLost as error:
            problem.append(error)
            raise

    assert not (await run_job(floor_with(bench, paused), "sweep")).succeeded

    assert problem, "the stale holder was let through"
    async with bench.db.reader() as db:
        things = {row["id"] for row in await db.fetch("select id from things")}
    assert things == {early, by_other}
    assert (await lease_row(bench))["last_result"] == "success", "nor does it overwrite what the new holder says"


async def test_a_holder_that_lost_its_job_is_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)

    async def forgetful(_: JobRun) -> None:
        async with bench.connected() as admin:
            await admin.execute("update job_leases set fencing_token = fencing_token + 1 where job = 'sweep'")
        await asyncio.sleep(60)

    started = time.monotonic()
    assert not (await run_job(floor_with(bench, forgetful), "sweep")).succeeded
    assert time.monotonic() - started < 5


async def test_one_bad_item_does_not_stop_a_job(bench: Bench) -> None:
    good = [uuid4(), uuid4()]

    async def work(run: JobRun) -> None:
        async def handle(item: UUID) -> None:
            if item not in good:
                raise ValueError("bad item")
            await add_thing(run, item)

        assert await run.each([good[0], uuid4(), good[1]], handle) == 2

    outcome = await run_job(floor_with(bench, work), "sweep")

    assert (outcome.succeeded, outcome.items_failed) == (True, 1)
    assert await bench.count("things") == 2


async def test_pages_are_read_to_the_last_whatever_fails_on_the_way(bench: Bench) -> None:
    met: list[int] = []

    async def work(run: JobRun) -> None:
        async def page(_db: Reader, last: int | None) -> list[int]:
            first = 0 if last is None else last + 1
            return list(range(first, min(first + 3, 8)))

        async def handle(item: int) -> None:
            met.append(item)
            if item in {2, 4}:
                raise ValueError("bad item")

        await run.pages(page, handle)

    outcome = await run_job(floor_with(bench, work), "sweep")

    assert met == list(range(8))
    assert (outcome.succeeded, outcome.items_failed) == (True, 2)


async def test_the_scheduler_ticks_until_it_is_stopped_and_lets_the_present_item_finish(bench: Bench) -> None:
    started, finished, runs = asyncio.Event(), [], 0

    async def work(run: JobRun) -> None:
        nonlocal runs
        runs += 1

        async def slowly(item: int) -> None:
            started.set()
            await asyncio.sleep(0.3)
            finished.append(item)

        if runs == 3:
            await run.each(range(100), slowly)

    stop = asyncio.Event()
    running = asyncio.create_task(Scheduler(floor_with(bench, work, timedelta(seconds=0.2))).run(stop))
    await asyncio.wait_for(started.wait(), 10)
    stop.set()
    await asyncio.wait_for(running, 5)

    assert finished == [0]
    assert (await lease_row(bench))["holder"] is None


async def test_every_service_deletes_expired_keys_daily(bench: Bench) -> None:
    assert all_jobs(SERVICE)["delete-expired-keys"].every == timedelta(hours=24)
    floor = SimpleNamespace(service=SERVICE, db=bench.db, clock=bench.clock, settings=bench.settings)
    assert (await run_job(floor, "delete-expired-keys")).succeeded  # type: ignore[arg-type]
