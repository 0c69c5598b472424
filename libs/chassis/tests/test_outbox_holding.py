from uuid import uuid4

import pytest

from chassis.outbox.holding import DELAY_SECONDS_MAX, DELAY_SECONDS_MIN, RETURNED_SECONDS_MAX, Holds


class Stopwatch:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


ONE, TWO = ("thing", uuid4()), ("thing", uuid4())


def test_delays_grow_with_jitter_and_never_end() -> None:
    for returned, largest in ((False, DELAY_SECONDS_MAX), (True, RETURNED_SECONDS_MAX)):
        holds = Holds(Stopwatch())
        delays = [holds.fail(ONE, returned=returned) for _ in range(200)]
        assert all(DELAY_SECONDS_MIN <= delay <= largest for delay in delays)
        assert max(delays[:1]) <= 0.4
        assert max(delays) > largest / 2
        assert len(set(delays)) > 150


def test_a_held_aggregate_is_left_out_until_its_time_has_come() -> None:
    watch = Stopwatch()
    holds = Holds(watch)
    delay = holds.fail(ONE)
    assert holds.waiting() == [ONE]
    assert holds.seconds_to_next() == pytest.approx(delay)

    watch.seconds += delay + 0.001
    assert holds.waiting() == []
    assert len(holds) == 1


def test_one_that_succeeds_frees_the_others() -> None:
    holds = Holds(Stopwatch())
    holds.fail(ONE)
    holds.fail(TWO)

    holds.succeed(TWO)

    assert holds.waiting() == []
    assert len(holds) == 1


def test_what_failed_during_a_scan_is_told_apart() -> None:
    """The scan left out the row in hand; when that fails meanwhile, the next one of its aggregate must not be taken."""
    holds = Holds(Stopwatch())
    holds.fail(ONE)
    holds.waiting()
    assert not holds.failed_during_scan(ONE)

    holds.fail(ONE)
    assert holds.failed_during_scan(ONE)
    assert not holds.failed_during_scan(TWO)
