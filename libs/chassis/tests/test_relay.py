import asyncio
import time
from collections.abc import AsyncIterator
from statistics import median
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from aio_pika import DeliveryMode

from chassis import failpoints
from chassis.bus import Envelope
from chassis.outbox import Relay, pipeline, publishing
from chassis.outbox.leadership import Session
from chassis.outbox.pipeline import POLL_SECONDS
from chassis.outbox.publishing import NotPublished, Publisher
from kernel.scope import Actor
from testkit.proxy import ChaosProxy
from testkit.relays import relaying
from testkit.reliability import Reliability, counted
from testkit.sample.bench import Bench
from testkit.sample.manifest import OtherSaid, ThingSaid
from testkit.tap import Tap, tapped


@pytest.fixture
async def tap(bench: Bench) -> AsyncIterator[Tap]:
    async with tapped(bench.settings.rabbitmq_url) as tap:
        yield tap


def saying(things: list[UUID], each: int) -> list[list[ThingSaid]]:
    """Transactions that say something of every thing, `each` times."""
    return [[ThingSaid(thing_id=thing, text="x", number=n) for thing in things] for n in range(each)]


async def test_events_reach_the_broker_in_order_and_then_the_archive(bench: Bench, tap: Tap) -> None:
    things = [uuid4() for _ in range(40)]
    async with relaying(bench.floor):
        for events in saying(things, 10):
            await bench.say(*events)
        await tap.until(400)

    # Leaving the block stops the relay, which finishes its moves first.
    assert tap.first_numbers() == {thing: list(range(1, 11)) for thing in things}
    assert len(tap.heard) == 400
    assert await bench.count("outbox") == 0
    assert await bench.count("outbox_archive") == 400


@pytest.mark.plant("delivery_mode=1")
async def test_an_envelope_tells_all_that_was_known(bench: Bench, tap: Tap) -> None:
    thing = uuid4()
    await bench.say(ThingSaid(thing_id=thing, text="häuser", number=3))
    await Relay(bench.floor).drain()

    event = (await tap.until(1))[0]
    assert (event.topic, event.routing_key) == ("sample.thing_said.v1", "sample.thing.thing_said.v1")
    assert (event.source, event.epoch, event.seq, event.baseline) == ("sample", 1, 1, False)
    assert (event.actor, event.request_id) == ("service:test", "test")
    assert tap.messages[0].delivery_mode == DeliveryMode.PERSISTENT
    assert event.data == {"thing_id": str(thing), "text": "häuser", "number": 3}


async def test_notify_wakes_the_leader_and_without_it_the_poll_does(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(bench.floor):
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


async def test_when_notifications_are_lost_the_poll_publishes_within_a_second(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch, reliability: Reliability
) -> None:
    async def delays(count: int) -> list[float]:
        """From each commit to the ear on the exchange, at moments that the poll does not know."""
        waited = []
        for _ in range(count):
            await asyncio.sleep(reliability.chance.uniform(0.0, POLL_SECONDS))
            committed = len(tap.heard)
            await bench.say(ThingSaid(thing_id=uuid4(), text="x"))
            began = time.monotonic()
            await tap.until(committed + 1)
            waited.append(time.monotonic() - began)
        return waited

    async with relaying(bench.floor):
        await delays(1)
        notified = await delays(10)
    lost, listen = [], Session.listen
    monkeypatch.setattr(Session, "listen", lambda self, name, _: listen(self, name, lambda: lost.append(name)))
    async with relaying(bench.floor):
        await delays(1)
        deaf = await delays(10)

    reliability.record(
        "F-D19",
        faults=len(lost),
        at_least=10,
        recovery_seconds=max(deaf),
        notified_median_ms=round(median(notified) * 1000, 1),
        polled_median_ms=round(median(deaf) * 1000, 1),
    )
    assert max(deaf) <= 1.0
    assert median(notified) <= 0.1


@pytest.mark.plant("relay marks before publishing")
@pytest.mark.plant("no hold after a failed publish")
async def test_a_refused_event_holds_its_aggregate_only_and_order_survives(
    bench: Bench, tap: Tap, reliability: Reliability
) -> None:
    failpoints.arm("relay.before_publish=error@0.05")
    things, before = [uuid4() for _ in range(40)], _refused()
    async with relaying(bench.floor):
        for events in saying(things, 20):
            await bench.say(*events)
        await tap.until(800, seconds=5)

    assert tap.first_numbers() == {thing: list(range(1, 21)) for thing in things}
    reliability.record("F-D6", faults=int(_refused() - before), at_least=20, events=800)


def _refused() -> float:
    return counted("outbox_publish_errors_total", service="sample")


async def test_one_aggregate_that_always_fails_stops_no_other(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, others = uuid4(), [uuid4() for _ in range(10)]
    publish = Publisher.publish

    async def refuse_bad(self: Publisher, envelope: Envelope) -> None:
        if envelope.aggregate_id == bad:
            raise NotPublished("refused")
        await publish(self, envelope)

    monkeypatch.setattr(Publisher, "publish", refuse_bad)
    async with relaying(bench.floor):
        for events in saying([bad, *others], 5):
            await bench.say(*events)
        await tap.until(50)
        await asyncio.sleep(0.5)
        assert await bench.count("outbox") == 5
        monkeypatch.undo()
        await tap.until(55, seconds=30)

    assert tap.first_numbers()[bad] == [1, 2, 3, 4, 5]


@pytest.mark.plant("held rows fill the batch")
@pytest.mark.plant("on_return_raises off")
async def test_three_hundred_held_rows_at_the_head_do_not_starve_the_rest(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch, reliability: Reliability
) -> None:
    """The consumer that the event map names has lost its binding: held until it is back, and then sent soon."""
    monkeypatch.setattr(publishing, "consumers_of", lambda topic: {"somebody"} if "other" in topic else set())
    await tap.unbind("#")
    await tap.bind("sample.thing.#")
    for _ in range(3):
        await bench.say(*(OtherSaid(other_id=uuid4()) for _ in range(100)))
    await bench.say(ThingSaid(thing_id=uuid4(), text="behind"))

    async with relaying(bench.floor):
        await tap.until(1, seconds=3)
        await bench.say(ThingSaid(thing_id=uuid4(), text="later"))
        await tap.until(2, seconds=1)
        await asyncio.sleep(3)
        held = await bench.count("outbox")
        assert held == 300
        await tap.bind("sample.other.#")
        back_at = time.monotonic()
        await tap.until(302, seconds=5)
        resumed_after = time.monotonic() - back_at

    reliability.record("F-D6", faults=held, at_least=300, recovery_seconds=resumed_after, events=302)
    assert resumed_after <= 5.0


async def test_an_event_that_nobody_awaits_counts_as_published(
    bench: Bench, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "consumers_of", lambda _: set())
    await tap.unbind("#")
    await bench.say(ThingSaid(thing_id=uuid4(), text="to nobody"))

    await Relay(bench.floor).drain()

    assert await bench.count("outbox") == 0
    assert await bench.count("outbox_archive") == 1


@pytest.mark.plant("confirms off")
async def test_a_cut_broker_connection_loses_and_inverts_nothing(bench: Bench, tap: Tap) -> None:
    things, parts = [uuid4() for _ in range(20)], urlsplit(bench.settings.rabbitmq_url)
    async with ChaosProxy(str(parts.hostname), parts.port or 5672) as proxy:
        proxy.faults.refuse = True
        far = parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl()
        bench.settings = bench.settings.model_copy(update={"rabbitmq_url": far})
        async with relaying(bench.floor):
            await asyncio.sleep(0.5)
            proxy.heal()
            for place, events in enumerate(saying(things, 30)):
                await bench.say(*events)
                if place in {5, 15, 25}:
                    await tap.until(20 * place, seconds=5)
                    proxy.faults.latency_ms = 100
                    await bench.say(*(OtherSaid(other_id=uuid4()) for _ in range(10)))
                    await asyncio.sleep(0.05)
                    proxy.reset()
                    proxy.heal()
            await tap.until(630, seconds=6)
        assert proxy.connections >= 4

    numbers = tap.first_numbers()
    assert [numbers[thing] for thing in things] == [list(range(1, 31))] * 20
    assert await bench.count("outbox") == 0


@pytest.mark.plant("cursor relay")
async def test_an_event_that_is_committed_late_is_not_passed_by(bench: Bench, tap: Tap) -> None:
    """Its row has the smaller id, and becomes visible after a larger one was published."""
    slow, quick = uuid4(), uuid4()
    async with relaying(bench.floor):
        async with bench.db.transaction(actor=Actor.service("test"), request_id="slow") as tx:
            tx.emit(ThingSaid(thing_id=slow, text="slow"))
            await tx.flush()
            tx._emissions.clear()
            await bench.say(ThingSaid(thing_id=quick, text="quick"))
            await tap.until(1)
            await asyncio.sleep(0.1)
        await tap.until(2, seconds=3)

    assert [event.aggregate_id for event in tap.heard] == [quick, slow]
