"""A binding is removed while events flow: none is marked as published that nobody gets, and none is lost (F-D6)."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from kitchen import Bakery, Mill, eventually
from workers import LONG, SHORT, Form, mill_says

from chassis import failpoints
from chassis.inbox import session
from chassis.inbox.gaps import PATIENCE
from testkit.reliability import Reliability, counted
from testkit.tap import tapped

REMOVED_SECONDS = 10.0
RESUMES_WITHIN, FILLED_WITHIN = 5.0, 40.0
BINDING = "mill.sack.#"
FORMS = [SHORT, pytest.param(Form(1, 40, 250), marks=LONG)]
FORMS_WITH_GAPS = [Form(1, 10, 20), pytest.param(Form(1, 40, 50), marks=LONG)]


@pytest.fixture(autouse=True)
def nobody_binds_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer puts its bindings back every thirty seconds: with many events that would be in the middle."""
    monkeypatch.setattr(session, "DECLARE_SECONDS", 600.0)


async def ten_seconds_go_by(source: Mill, sacks: Sequence[UUID], numbers: range) -> None:
    """These events of every sack are said in the first half of them."""
    began = time.monotonic()
    for number in numbers:
        await mill_says(source.floor, sacks, range(number, number + 1))
        await asyncio.sleep(REMOVED_SECONDS / len(numbers) / 2)
    await asyncio.sleep(max(0.0, REMOVED_SECONDS - (time.monotonic() - began)))


async def every_sack_goes_on(baker: Bakery, after: int) -> bool:
    """Whether something after this number is baked of each."""
    return not await baker.rows("select sack_id from loaves group by sack_id having max(number) <= $1", after)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.events)
async def test_while_the_only_binding_is_gone_events_are_held_and_go_on_soon_after(
    baker: Bakery, source: Mill, reliability: Reliability, form: Form
) -> None:
    """One publish in twenty fails besides."""
    sacks, before = [uuid4() for _ in range(form.aggregates)], _returned()
    failpoints.arm("relay.before_publish=error@0.05")
    async with baker.consuming(), source.relaying():
        await mill_says(source.floor, sacks, range(1, form.each // 2 + 1))
        await eventually(lambda: baker.has_baked(form.aggregates * (form.each // 2)), seconds=60)
        await eventually(source.has_published_all)
        published = await source.published()
        async with baker.unbound(BINDING):
            await ten_seconds_go_by(source, sacks, range(form.each // 2 + 1, form.each + 1))
            marked = await source.published() - published
        back_at = time.monotonic()
        failpoints.arm("")
        await eventually(lambda: every_sack_goes_on(baker, form.each // 2), seconds=30)
        resumed_after = time.monotonic() - back_at
        await baker.comes_to_rest(form.events)

    reliability.record(
        "F-D6",
        faults=int(_returned() - before),
        at_least=form.aggregates,
        tally=await baker.tally(dict.fromkeys(sacks, form.each)),
        recovery_seconds=resumed_after,
        events=form.events,
        marked_without_a_route=marked,
    )
    assert marked == 0
    assert resumed_after <= RESUMES_WITHIN
    assert await baker.held() == []


@pytest.mark.parametrize("form", FORMS_WITH_GAPS, ids=lambda form: form.events)
async def test_what_one_of_two_queues_has_missed_is_filled_from_the_archive(
    hungry: Bakery, source: Mill, reliability: Reliability, form: Form
) -> None:
    """The broker confirms what the other queue gets. The clock is turned by what is left of the 30 s of patience."""
    sacks = [uuid4() for _ in range(form.aggregates)]
    async with tapped(hungry.rabbitmq_url, BINDING) as other, hungry.consuming(), source.relaying():
        await mill_says(source.floor, sacks, range(1, form.each // 2 + 1))
        await eventually(lambda: hungry.has_baked(form.aggregates * (form.each // 2)), seconds=60)
        async with hungry.unbound(BINDING):
            await ten_seconds_go_by(source, sacks, range(form.each // 2 + 1, form.each))
            await other.until(form.aggregates * (form.each - 1))
        await mill_says(source.floor, sacks, range(form.each, form.each + 1))
        await eventually(lambda: hungry.holds(form.aggregates), seconds=30)
        seen_at, early = time.monotonic(), len(await hungry.baked())
        hungry.floor.clock.turn(PATIENCE + timedelta(seconds=1))
        await eventually(lambda: hungry.has_baked(form.events), seconds=60)
        filled_after = time.monotonic() - seen_at + PATIENCE.total_seconds()

    reliability.record(
        "F-D6",
        faults=form.events - form.aggregates - early,
        at_least=form.aggregates,
        tally=await hungry.tally(dict.fromkeys(sacks, form.each)),
        recovery_seconds=filled_after,
        events=form.events,
    )
    assert filled_after <= FILLED_WITHIN
    assert await hungry.held() == []


def _returned() -> float:
    return counted("outbox_returns_total", service="mill", expected="true")
