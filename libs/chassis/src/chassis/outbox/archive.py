"""Published events are kept 30 days, a partition a day; and how the relay keeps and measures the outbox."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.outbox.leadership import Session, StatementFailed
from chassis.telemetry import gauge, get_logger

PENDING_COUNTED_MAX = 100_000
RESTING_PENDING_MAX = 500
HOT_BYTES_MAX = 8 * 1024 * 1024

_PENDING = gauge("outbox_pending", "Events that are committed and not published yet", ["service"])
_OLDEST = gauge("outbox_oldest_seconds", "Age of the oldest event that is not published yet", ["service"])
_STRAY = gauge("outbox_archive_stray", "Archived events whose day had no partition", ["service"])

_MEASURE = """
select (select count(*) from (select 1 from outbox limit $1) as counted) as pending,
       coalesce(extract(epoch from clock_now() - (select created_at from outbox order by id limit 1)), 0) as oldest,
       pg_total_relation_size('outbox') as bytes
"""

_log = get_logger("chassis.outbox")


async def keep_archive(session: Session, service: str) -> None:
    """Make the partitions of the next 7 days and drop those older than 30; the relay's role has no other way to."""
    rows = await session.fetch("select keep_archive()")
    stray = int(rows[0][0])
    _STRAY.labels(service).set(stray)
    if stray:
        _log.error("archive.stray_rows", count=stray)


async def measure(session: Session, service: str) -> None:
    """Tell how the outbox is, and give back what it has grown by once it is at rest (P9)."""
    (row,) = await session.fetch(_MEASURE, PENDING_COUNTED_MAX)
    _PENDING.labels(service).set(row["pending"])
    _OLDEST.labels(service).set(float(row["oldest"]))
    if row["pending"] <= RESTING_PENDING_MAX and row["bytes"] > HOT_BYTES_MAX:
        await session.fetch("select tidy_outbox()")


@contextmanager
def logged() -> Iterator[None]:
    """Upkeep that fails is an alarm, and no reason to stop publishing."""
    try:
        yield
    except StatementFailed as error:
        _log.error("outbox.upkeep_failed", problem=str(error))
