"""The suite must be able to fail (reliability 2.c7): each planted defect makes the test fail that is there for it."""

from pathlib import Path

import pytest
import test_inbox_faults as faults
import test_inbox_order as order
from kitchen import Bakery

from chassis.bus import Stamp
from chassis.db import Tx
from chassis.inbox import HeldEvent
from chassis.inbox.apply import Applied, Applier
from chassis.inbox.streams import Stream, Verdict
from testkit.reliability import Reliability

DAMAGE = r"(lost|doubled|inverted)=[1-9]"
"""A victim that fails for any other reason has caught nothing."""


@pytest.fixture
def private(tmp_path: Path) -> Reliability:
    """A report of its own: what a defect does is no finding."""
    return Reliability(tmp_path, "plant")


@pytest.mark.parametrize("plant", ["ack before commit", "Redis mark-first", "Redis mark-after"])
async def test_a_number_that_does_not_move_with_the_effect_is_caught(
    baker: Bakery,
    settings_of: faults.SettingsOf,
    tmp_path: Path,
    private: Reliability,
    monkeypatch: pytest.MonkeyPatch,
    plant: str,
) -> None:
    monkeypatch.setenv("BAKERY_PLANT", plant)
    form = faults.Form(kills=4, aggregates=20, each=10)

    with pytest.raises(AssertionError, match=DAMAGE):
        await faults.test_a_consumer_that_is_killed_again_and_again_loses_and_doubles_nothing(
            baker, settings_of, tmp_path, private, form
        )


async def test_jumping_a_gap_is_caught(baker: Bakery, private: Reliability, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = Stream.verdict

    def impatient(self: Stream, stamp: Stamp, *, closes_gap: bool = False) -> Verdict:
        found = verdict(self, stamp, closes_gap=closes_gap)
        return Verdict.APPLY if found is Verdict.HOLD and not self.blocked else found

    monkeypatch.setattr(Stream, "verdict", impatient)

    with pytest.raises(AssertionError, match=DAMAGE):
        await order.test_shuffled_duplicated_failing_deliveries_are_applied_once_and_in_order(baker, private)


async def test_passing_over_a_failure_is_caught(
    baker: Bakery, private: Reliability, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = Applier._attempt

    async def careless(self: Applier, tx: Tx, stream: Stream, event: HeldEvent, applied: Applied) -> None:
        await attempt(self, tx, stream, event, applied)
        stream.last_seq, stream.blocked = event.stamp.seq, False

    monkeypatch.setattr(Applier, "_attempt", careless)

    with pytest.raises(AssertionError, match=DAMAGE):
        await order.test_shuffled_duplicated_failing_deliveries_are_applied_once_and_in_order(baker, private)
