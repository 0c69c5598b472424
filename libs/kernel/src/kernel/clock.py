"""Time as a value that is handed in, so that a test can turn it."""

from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

BUSINESS_ZONE = ZoneInfo("America/Chicago")


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, in UTC."""


def business_day(at: datetime) -> date:
    """The calendar day in America/Chicago that holds this instant (spec 0)."""
    return at.astimezone(BUSINESS_ZONE).date()
