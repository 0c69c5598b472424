"""Days as the business counts them; instants are handed in, so that a test can turn them."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

BUSINESS_ZONE = ZoneInfo("America/Chicago")


def business_day(at: datetime) -> date:
    """The calendar day in America/Chicago that holds this instant (spec 0)."""
    return at.astimezone(BUSINESS_ZONE).date()
