"""The consumer ends after an effect is committed and before the broker knows it (spec 1.9, reliability P4)."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from kitchen import Bakery, eventually, milled
from prometheus_client import REGISTRY

from chassis import failpoints
from chassis.inbox import Consumer


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def duplicates() -> float:
    """How many deliveries were found to be applied already."""
    return REGISTRY.get_sample_value("inbox_events_total", {"outcome": "duplicate"}) or 0.0


async def test_crash_between_effect_and_ack_applies_once(baker: Bakery) -> None:
    sack, before = uuid4(), duplicates()
    failpoints.arm("inbox.after_commit=hang")
    await baker.publish(milled(sack, 1))
    dying = asyncio.create_task(Consumer(baker.floor).run(asyncio.Event()))
    await eventually(lambda: baker.has_baked(1))
    assert await baker.queue_length() == 0, "the consumer has the delivery, and has not acknowledged it"

    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    failpoints.arm("")
    await eventually(lambda: _is_back(baker))
    async with baker.consuming():
        await baker.publish(milled(sack, 2))
        await eventually(lambda: baker.has_baked(2))

    assert await baker.baked(sack) == [1, 2]
    assert await baker.last_seq(sack) == 2
    assert duplicates() == before + 1, "the broker did not deliver it a second time: the test proved nothing"
    assert await baker.held() == []


async def _is_back(baker: Bakery) -> bool:
    return await baker.queue_length() == 1
