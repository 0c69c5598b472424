"""The storage listener: what the store tells of its objects, one message after another (spec 3.3).

A message is acknowledged when its effect is committed, or when there will never be one. Trouble of ours never costs a
message: it comes again.
"""

import asyncio
from datetime import timedelta

from chassis.failpoints import failpoint
from chassis.floor import Floor
from chassis.loops import repeat
from chassis.telemetry import bound, counter, gauge, get_logger, span
from kernel.refusal import Unavailable
from media.clients.notices import Message, NoticesClient
from media.clients.storage import StorageClient
from media.domain.notices import Malformed, Notice, read_notice
from media.flows.arrivals import Shelf, handle
from media.settings import Settings

AWAY_AGAIN = timedelta(seconds=5)
FAULTY_AGAIN = timedelta(seconds=60)
UNKNOWN_FOR = timedelta(minutes=10)
"""A key may be told of before its row is committed; after this it never will be."""
UNKNOWN_AGAIN = (timedelta(seconds=2), timedelta(seconds=60))

_log = get_logger(__name__)
_notices = counter("storage_notices_total", "Messages of the store by what became of them", ("outcome",))
_open = gauge("storage_listener_open", "1 while this process pulls what the store tells")


async def listen(floor: Floor, stop: asyncio.Event) -> None:
    """Take messages until `stop`; a stream that ends is opened again."""
    notices = floor.client(NoticesClient)

    async def pull() -> float:
        with _open.track_inprogress():
            await notices.listen(lambda message: take(floor, message), stop)
        return 0.0

    await repeat("storage-listener", stop, pull)


async def take(floor: Floor, message: Message) -> timedelta | None:
    """Do what the message asks for. None: acknowledge it; a time: let it come again after that."""
    try:
        with bound(request_id=f"notice-{message.id}"), span("storage notice"):
            await failpoint("listener.received")
            outcome, again = await _taken(floor, message)
            await failpoint("listener.before_ack")
    except Unavailable as away:
        outcome, again = "away", AWAY_AGAIN
        _log.warning("notice.waits", message_id=message.id, problem=str(away))
    except Exception as error:  # noqa: BLE001  a defect must neither lose the message nor stop the others
        outcome, again = "failed", FAULTY_AGAIN
        _log.error("notice.failed", message_id=message.id, exc_info=error)
    _notices.labels(outcome=outcome).inc()
    return again


async def _taken(floor: Floor, message: Message) -> tuple[str, timedelta | None]:
    settings = _settings(floor)
    try:
        notice = read_notice(message.attributes, message.data)
    except Malformed as problem:
        _log.warning("notice.malformed", message_id=message.id, problem=str(problem))
        return "malformed", None
    if notice is None or notice.bucket != settings.storage_private_bucket:
        return "ignored", None
    shelf = Shelf(floor.db, floor.client(StorageClient), settings.storage_public_base)
    if await handle(shelf, notice, message.id):
        return "handled", None
    return _unknown(floor, message, notice)


def _unknown(floor: Floor, message: Message, notice: Notice) -> tuple[str, timedelta | None]:
    """Ask for it again at growing distances, as long as it may only be early."""
    age = floor.clock.now() - message.published_at
    if age < UNKNOWN_FOR:
        return "early", min(max(age, UNKNOWN_AGAIN[0]), UNKNOWN_AGAIN[1])
    _log.warning("notice.unknown_key", message_id=message.id, media_id=str(notice.key.media_id))
    return "unknown", None


def _settings(floor: Floor) -> Settings:
    assert isinstance(floor.settings, Settings)  # noqa: S101  the manifest names this class
    return floor.settings
