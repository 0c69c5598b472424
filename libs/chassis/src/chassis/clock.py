"""The clock of a process. Production never turns it; a test does, and the database's `clock_now()` follows."""

import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Wall-clock time plus `offset`, which only test builds set (see `Database`, which tells it to each connection)."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        """Seconds since some instant, for measuring how long ago things were: only turning makes them jump."""
        return time.monotonic() + self.offset.total_seconds()

    def turn(self, by: timedelta) -> None:
        self.offset += by
