"""When a service that does not answer is left alone for a while (reliability 3.13, ADR 0011)."""

import math
from typing import Final

from kernel.refusal import Unavailable

FAILURES_MAX: Final = 5
PAUSE_SECONDS_MIN: Final = 1.0
PAUSE_SECONDS_MAX: Final = 4.0


class Breaker:
    """Opens after so many failures in a row, and then lets one request through after each pause.

    An answer closes it; the failure of such a trial doubles the pause, up to its largest. `now` is any clock that
    only goes forward.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self._failures = 0
        self._pause = PAUSE_SECONDS_MIN
        self._open_until: float | None = None
        self._is_tried = False

    def admit(self, now: float) -> bool:
        """Whether this request is the trial, which must be ended. Raises Unavailable while it is open."""
        if self._open_until is None:
            return False
        if self._is_tried or now < self._open_until:
            raise Unavailable(self.service, retry_after=max(1, math.ceil(self._open_until - now)))
        self._is_tried = True
        return True

    def end_trial(self) -> None:
        """However it ended: without an outcome, the next request is the trial."""
        self._is_tried = False

    def succeed(self) -> bool:
        """The service has answered; whether that closed the breaker."""
        self._failures = 0
        if self._open_until is None:
            return False
        self._open_until, self._pause = None, PAUSE_SECONDS_MIN
        return True

    def fail(self, now: float, *, is_trial: bool) -> bool:
        """The service has not answered; whether that opened the breaker, anew after a trial.

        What fails late, having been sent before the breaker opened, prolongs nothing.
        """
        self._failures += 1
        if self._open_until is not None:
            if not is_trial:
                return False
            self._pause = min(self._pause * 2, PAUSE_SECONDS_MAX)
        elif self._failures < FAILURES_MAX:
            return False
        self._open_until = now + self._pause
        return True
