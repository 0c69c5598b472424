import asyncio
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError
from sqlalchemy import insert, select, update

from chassis import failpoints
from chassis.audit import AuditEntry, record_denied
from chassis.db import CommitUnknown, Database, Tx
from chassis.db.database import UnsafeDatabase
from chassis.outbox.emission import UndeclaredEvent
from kernel.refusal import Conflict, Invalid, Refusal, Unavailable
from kernel.scope import Actor
from testkit.sample.bench import SECRET, Bench
from testkit.sample.manifest import SERVICE, Colour, OtherSaid, ThingRecord, ThingSaid, Undeclared

ACTOR = Actor(kind="user", user_id=UUID(int=7), store_id=UUID(int=8), role="owner")
THINGS = ThingRecord.__table__
INSERT = "insert into things (id, name, colour, price_cents) values ($1, $2, 'red', 0)"


def transaction(db: Database, request_id: str = "r1") -> AbstractAsyncContextManager[Tx]:
    return db.transaction(actor=ACTOR, request_id=request_id)


async def numbers(bench: Bench, thing: UUID) -> list[int]:
    async with bench.db.reader() as db:
        rows = await db.fetch("select aggregate_seq from outbox where aggregate_id = $1 order by id", thing)
    return [row["aggregate_seq"] for row in rows]


async def test_values_go_in_and_come_out_as_python_values(bench: Bench) -> None:
    thing, facts = uuid4(), {"weight": Decimal("1.50"), "seen": datetime(2026, 1, 2, tzinfo=UTC), "of": UUID(int=1)}
    async with transaction(bench.db) as tx:
        await tx.run(insert(THINGS).values(id=thing, name="lamp", facts=facts))

    async with bench.db.reader() as db:
        core = await db.fetchrow(select(THINGS).where(THINGS.c.colour.in_([Colour.RED, Colour.GREEN])))
        text = await db.fetchrow("select *, $2::jsonb as given from things where id = $1", thing, {"a": [1, None]})

    assert core is not None
    assert text is not None
    assert core["facts"] == {"weight": "1.50", "seen": "2026-01-02T00:00:00+00:00", "of": str(UUID(int=1))}
    assert (core["id"], core["colour"], core["price_cents"]) == (thing, "red", 0)
    assert text["given"] == {"a": [1, None]}
    assert abs(text["created_at"] - datetime.now(UTC)) < timedelta(minutes=1)


async def test_metrics_tell_how_much_of_the_pool_is_at_work(bench: Bench) -> None:
    idle = REGISTRY.get_sample_value("db_pool_in_use")
    async with bench.db.reader(), bench.db.reader():
        busy = REGISTRY.get_sample_value("db_pool_in_use")

    assert (idle, busy) == (0, 2)
    assert REGISTRY.get_sample_value("db_pool_max") == bench.settings.database_pool


async def test_a_core_statement_counts_the_rows_it_changed(bench: Bench) -> None:
    async with transaction(bench.db) as tx:
        await tx.run(insert(THINGS).values([{"id": uuid4(), "name": "a"}, {"id": uuid4(), "name": "b"}]))
        changed = await tx.run(update(THINGS).where(THINGS.c.price_cents == 0).values(facts=None, colour=Colour.GREEN))

        assert changed == 2
        assert await tx.run("update things set name = 'c' where name = 'nobody'") == 0


@pytest.mark.parametrize(
    ("statement", "args", "refusal", "details"),
    [
        (INSERT, (UUID(int=2), "taken"), Conflict, {"field": "name"}),
        ("insert into things (id, name, colour, price_cents) values ($1, 'x', 'blue', 0)", (UUID(int=2),), Invalid,
         {"colour": "is invalid"}),
        ("insert into things (id, name, colour, price_cents) values ($1, 'x', 'red', $2)", (UUID(int=2), 10**13),
         Invalid, {"price_cents": "is invalid"}),
        ("insert into things (id, name, colour) values ($1, 'x', 'red')", (UUID(int=2),), Invalid,
         {"price_cents": "is invalid"}),
        ("update things set parent_id = $1", (UUID(int=9),), Invalid, {"parent_id": "is invalid"}),
        ("select $1::int", ("three",), Invalid, None),
        ("select $1::text::int", ("three",), Invalid, None),
        ("select pg_sleep(10)", (), Unavailable, {"service": "database"}),
    ],
)  # fmt: skip
async def test_each_database_failure_is_one_refusal(
    bench: Bench, statement: str, args: tuple[object, ...], refusal: type[Refusal], details: dict[str, str] | None
) -> None:
    async def fail() -> None:
        async with transaction(bench.db) as tx:
            await tx.run("set local statement_timeout = '200ms'")
            await tx.run(statement, *args)

    async with transaction(bench.db) as tx:
        await tx.run(INSERT, UUID(int=1), "taken")

    with pytest.raises(refusal) as raised:
        await fail()

    assert raised.value.details == details


async def test_a_rolled_back_transaction_leaves_nothing_and_no_number_unused(bench: Bench) -> None:
    thing = uuid4()

    async def say(text: str) -> None:
        async with transaction(bench.db) as tx:
            tx.emit(ThingSaid(thing_id=thing, text=text))
            tx.audit("thing.said", "thing", thing)
            if text == "never":
                raise LookupError

    await say("first")
    with pytest.raises(LookupError):
        await say("never")
    await say("second")

    assert await numbers(bench, thing) == [1, 2]
    async with bench.db.reader() as db:
        assert await db.fetchval("select count(*) from audit_logs") == 2


async def test_events_are_written_in_the_order_they_were_said(bench: Bench) -> None:
    one, two = uuid4(), uuid4()
    async with transaction(bench.db, "r9") as tx:
        for number, thing in enumerate([two, one, two, two, one]):
            tx.emit(ThingSaid(thing_id=thing, text="x", number=number))
        tx.emit(OtherSaid(other_id=one))

    async with bench.db.reader() as db:
        rows = await db.fetch("select * from outbox order by id")
    said = [(row["aggregate_id"], row["aggregate_seq"], row["payload"].get("number")) for row in rows]
    assert said == [(two, 1, 0), (one, 1, 1), (two, 2, 2), (two, 3, 3), (one, 2, 4), (one, 1, None)]
    assert {(row["request_id"], row["actor"], row["epoch"]) for row in rows} == {("r9", f"user:{UUID(int=7)}", 1)}


async def test_a_fact_has_the_id_that_a_row_of_its_transaction_names(bench: Bench) -> None:
    named = uuid4()
    async with transaction(bench.db) as tx:
        tx.emit(ThingSaid(thing_id=uuid4(), text="x"), event_id=named)

    async with bench.db.reader() as db:
        assert await db.fetchval("select event_id from outbox") == named


async def test_a_once_only_fact_is_said_once_for_ever(bench: Bench) -> None:
    thing = uuid4()
    for _ in range(2):
        async with transaction(bench.db) as tx:
            tx.emit(ThingSaid(thing_id=thing, text="nudge"), once=f"nudge:{thing}")
            tx.emit(ThingSaid(thing_id=thing, text="nudge"), once=f"nudge:{thing}")
            tx.emit(ThingSaid(thing_id=thing, text="other"))

    assert await numbers(bench, thing) == [1, 2, 3]


async def test_what_cannot_be_published_cannot_be_said(bench: Bench) -> None:
    async with transaction(bench.db) as tx:
        with pytest.raises(UndeclaredEvent):
            tx.emit(Undeclared(thing_id=uuid4()))
        with pytest.raises(ValidationError):
            tx.emit(ThingSaid.model_construct(thing_id=uuid4()))
        with pytest.raises(ValueError, match="too large"):
            tx.emit(ThingSaid(thing_id=uuid4(), text="x" * 1_000_000))


async def test_a_savepoint_takes_its_events_with_it(bench: Bench) -> None:
    kept, undone = uuid4(), uuid4()
    async with transaction(bench.db) as tx:
        with suppress(Conflict):
            async with tx.savepoint():
                tx.emit(ThingSaid(thing_id=undone, text="x"))
                await tx.run(INSERT, UUID(int=1), "same")
                await tx.run(INSERT, UUID(int=2), "same")
        async with tx.savepoint():
            tx.emit(ThingSaid(thing_id=kept, text="x"))

    assert await numbers(bench, kept) == [1]
    assert await numbers(bench, undone) == []


async def test_the_end_has_one_order(bench: Bench) -> None:
    seen: list[str] = []

    async with transaction(bench.db) as tx:

        async def at_end() -> None:
            seen.append("end")
            tx.emit(ThingSaid(thing_id=UUID(int=1), text="said at the end"))

        async def after_commit() -> None:
            seen.append(f"after {await numbers(bench, UUID(int=1))}")
            raise LookupError("is logged only")

        tx.after_commit(after_commit)
        tx.at_end(at_end)
        seen.append("body")

    assert seen == ["body", "end", "after [1]"]


async def test_a_kind_of_transaction_can_be_asked_for(bench: Bench) -> None:
    class Work(Tx):
        pass

    async with bench.db.transaction(actor=ACTOR, request_id="r", kind=Work) as work:
        assert isinstance(work, Work)


async def test_overlapping_aggregates_in_opposite_order_do_not_deadlock(bench: Bench) -> None:
    things = [uuid4() for _ in range(6)]

    async def say(order: list[UUID]) -> None:
        async with transaction(bench.db) as tx:
            for thing in order:
                tx.emit(ThingSaid(thing_id=thing, text="x"), once=f"{thing}:{uuid4()}")
                await asyncio.sleep(0)

    await asyncio.gather(*(say(things if n % 2 else things[::-1]) for n in range(60)))

    assert [await numbers(bench, thing) for thing in things] == [list(range(1, 61))] * 6


async def test_numbers_of_one_aggregate_are_committed_in_order(bench: Bench) -> None:
    """A scan by id of unpublished rows is in commit order only because a later number waits for the earlier commit."""
    thing, order = uuid4(), []

    async def slow() -> None:
        async with transaction(bench.db) as tx:
            tx.emit(ThingSaid(thing_id=thing, text="slow"))
            await tx.flush()
            await asyncio.sleep(0.3)
            tx._emissions.clear()
        order.append("slow")

    async def quick() -> None:
        await asyncio.sleep(0.1)
        async with transaction(bench.db) as tx:
            tx.emit(ThingSaid(thing_id=thing, text="quick"))
        order.append("quick")

    await asyncio.gather(slow(), quick())

    assert order == ["slow", "quick"]
    async with bench.db.reader() as db:
        rows = await db.fetch("select payload ->> 'text' as said from outbox order by aggregate_seq")
    assert [row["said"] for row in rows] == ["slow", "quick"]


async def sessions_of(holders: list[Tx]) -> list[int]:
    return [await tx.fetchval("select pg_backend_pid()") for tx in holders]


async def test_a_full_pool_refuses_within_two_seconds(bench: Bench) -> None:
    """Whoever ends the session of a holder frees its place, so the sessions are looked at again in the end."""
    async with AsyncExitStack() as held:
        holders = [await held.enter_async_context(transaction(bench.db)) for _ in range(bench.settings.database_pool)]
        sessions = await sessions_of(holders)
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await held.enter_async_context(bench.db.reader())
        waited = time.monotonic() - started

        assert await sessions_of(holders) == sessions
    assert 1.8 < waited < 3.0


async def test_the_pool_heals_after_its_backends_were_killed(bench: Bench) -> None:
    async def busy() -> None:
        async with transaction(bench.db) as tx:
            await tx.fetchval("select pg_sleep(2)")

    waiting = [asyncio.create_task(busy()) for _ in range(3)]
    await asyncio.sleep(0.5)
    async with bench.connected() as admin:
        killed = await admin.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where usename = $1 and datname = current_database()",
            bench.roles.app,
        )
    assert killed >= 3

    results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [Unavailable] * 3
    for _ in range(bench.settings.database_pool + 1):
        async with bench.db.reader() as db:
            assert await db.fetchval("select 1") == 1


async def test_a_lost_answer_to_commit_is_told_apart(bench: Bench) -> None:
    failpoints.arm("sample.after_commit=error@1")
    thing = uuid4()

    with pytest.raises(CommitUnknown):
        async with transaction(bench.db) as tx:
            tx.emit(ThingSaid(thing_id=thing, text="x"))

    assert await numbers(bench, thing) == [1]


async def test_dying_before_the_commit_leaves_neither_row_nor_event(bench: Bench) -> None:
    failpoints.arm("outbox.before_commit=error@1")
    thing = uuid4()

    with suppress(failpoints.FailpointError):
        async with transaction(bench.db) as tx:
            await tx.run(INSERT, thing, "ghost")
            tx.emit(ThingSaid(thing_id=thing, text="x"))

    assert await numbers(bench, thing) == []
    async with bench.db.reader() as db:
        assert await db.fetchval("select count(*) from things") == 0


async def test_the_database_clock_follows_a_turned_clock(bench: Bench) -> None:
    async def ahead() -> timedelta:
        async with transaction(bench.db) as tx:
            return await tx.fetchval("select clock_now() - now()")

    assert await ahead() == timedelta(0)
    bench.clock.turn(timedelta(days=3))
    assert await ahead() == timedelta(days=3)
    bench.clock.turn(timedelta(days=-3))
    assert await ahead() == timedelta(0)


@pytest.mark.plant("synchronous_commit=off")
async def test_a_database_that_forgets_commits_is_refused(bench: Bench) -> None:
    async with bench.connected() as admin:
        await admin.execute(
            f'alter role "{bench.roles.app}" in database "{_database(bench)}" set synchronous_commit = off'
        )

    with pytest.raises(UnsafeDatabase):
        await Database.open(SERVICE, bench.settings, bench.clock)


async def test_a_process_starts_while_its_database_is_away(bench: Bench) -> None:
    away = bench.settings.model_copy(update={"database_url": f"postgresql://nobody:{SECRET}@127.0.0.1:1/none"})

    db = await Database.open(SERVICE, away, bench.clock)

    with pytest.raises(Unavailable):
        async with db.reader():
            pass
    await db.close()


def _database(bench: Bench) -> str:
    return bench.admin_url.rpartition("/")[2]


async def test_audit_rows_tell_who_and_cannot_be_changed(bench: Bench) -> None:
    target = uuid4()
    async with transaction(bench.db, "r5") as tx:
        tx.audit("thing.made", "thing", target, {"after": {"price": Decimal("1.5")}})

    async with bench.connected() as admin:
        row = await admin.fetchrow("select * from audit_logs")
        for change in ("update audit_logs set action = 'x'", "delete from audit_logs", "truncate audit_logs"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(change)
    assert (row["actor_user_id"], row["actor_store_id"], row["actor_role"]) == (UUID(int=7), UUID(int=8), "owner")
    assert (row["action"], row["target_id"], row["request_id"], row["outcome"]) == ("thing.made", target, "r5", "done")


async def test_a_refused_deed_is_told_once_a_minute(bench: Bench) -> None:
    def refused(action: str) -> AuditEntry:
        return AuditEntry(ACTOR, "r1", action, "store", uuid4(), {"reason": "role_missing"})

    for action in ("store.suspend", "store.suspend", "store.reinstate"):
        await record_denied(bench.db, refused(action))
    bench.clock.turn(timedelta(seconds=61))
    await record_denied(bench.db, refused("store.suspend"))

    async with bench.db.reader() as db:
        rows = await db.fetch("select action, outcome from audit_logs order by seq")
    assert [row["action"] for row in rows] == ["store.suspend", "store.reinstate", "store.suspend"]
    assert {row["outcome"] for row in rows} == {"denied"}
