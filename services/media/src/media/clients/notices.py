"""Google Pub/Sub, where the store tells of its objects: a streaming pull, which redelivers what is not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from chassis.loops import first_of
from chassis.telemetry import get_logger
from kernel.refusal import Unavailable
from media.clients.accounts import credentials

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import SubscriberClient
    from google.cloud.pubsub_v1.subscriber.message import Message as PubSubMessage

    from media.settings import Settings

PUBSUB: Final = "pubsub"
MESSAGES_AT_ONCE: Final = 8
MESSAGES_HELD: Final = 32
BYTES_HELD: Final = 4 * 1024 * 1024
LEASE_SECONDS: Final = 600
LEASE_STEP_SECONDS: Final = 10
"""Messages of a process that was killed come again after this, the least that Pub/Sub allows."""
ANSWER_SECONDS: Final = 60
"""How long one message may take before it is given back."""
DRAIN_SECONDS: Final = 15
PING_SECONDS: Final = 0.9
AGAIN_MAX: Final = timedelta(seconds=600)
"""The longest pause that Pub/Sub grants."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    attributes: Mapping[str, str]
    data: bytes
    published_at: datetime


Take = Callable[[Message], Awaitable[timedelta | None]]
"""None has the message acknowledged; a time has it delivered again after that."""


class NoticesClient(Protocol):
    async def listen(self, take: Take, stop: asyncio.Event) -> None:
        """Hand every message to `take` until `stop`. Raises `Unavailable` (pubsub) when the stream ends by itself."""

    async def ping(self) -> None:
        """Whether the subscription is there. Raises `Unavailable` (pubsub)."""


class PubSubNotices:
    """The callback of a message returns when it is decided, so the library's limits and its draining are ours."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = f"projects/{settings.pubsub_project}/subscriptions/{settings.pubsub_subscription}"
        self._making = Lock()
        self._limiter = CapacityLimiter(2)

    async def listen(self, take: Take, stop: asyncio.Event) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def received(message: PubSubMessage) -> None:
            answer = asyncio.run_coroutine_threadsafe(_taken(take, message), loop)
            _settle(message, answer.result(ANSWER_SECONDS))

        pulling = await run_sync(lambda: self._subscribe(received), limiter=self._limiter)
        pulling.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
        try:
            await first_of(stop, ended)
        finally:
            pulling.cancel()
            problem = await run_sync(lambda: _end_of(pulling), abandon_on_cancel=True)
        if not stop.is_set():
            _log.warning("notices.ended", problem=problem)
            raise Unavailable(PUBSUB)

    async def ping(self) -> None:
        await run_sync(self._look, limiter=self._limiter, abandon_on_cancel=True)

    async def close(self) -> None:
        if "_subscriber" in self.__dict__:
            await run_sync(self._subscriber.close)

    @property
    def _client(self) -> SubscriberClient:
        with self._making:
            return self._subscriber

    @cached_property
    def _subscriber(self) -> SubscriberClient:
        from google.cloud.pubsub_v1 import SubscriberClient

        if self._settings.pubsub_emulator is not None:
            import grpc
            from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

            channel = grpc.insecure_channel(self._settings.pubsub_emulator)
            return SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        return SubscriberClient(credentials=credentials(self._settings.storage_key_file))

    def _subscribe(self, received: Callable[[PubSubMessage], None]) -> Any:
        from google.cloud.pubsub_v1.subscriber.scheduler import ThreadScheduler
        from google.cloud.pubsub_v1.types import FlowControl

        threads = ThreadPoolExecutor(MESSAGES_AT_ONCE, thread_name_prefix="notices")
        return self._client.subscribe(
            self._path,
            callback=received,
            flow_control=FlowControl(
                max_messages=MESSAGES_HELD,
                max_bytes=BYTES_HELD,
                max_lease_duration=LEASE_SECONDS,
                max_duration_per_lease_extension=LEASE_STEP_SECONDS,
            ),
            scheduler=ThreadScheduler(threads),
            await_callbacks_on_shutdown=True,
        )

    def _look(self) -> None:
        from google.api_core.exceptions import GoogleAPIError

        try:
            self._client.get_subscription(subscription=self._path, timeout=PING_SECONDS, retry=None)
        except (GoogleAPIError, OSError) as error:
            raise Unavailable(PUBSUB) from error


async def _taken(take: Take, message: PubSubMessage) -> timedelta | None:
    return await take(Message(message.message_id, dict(message.attributes), bytes(message.data), message.publish_time))


def _settle(message: PubSubMessage, again: timedelta | None) -> None:
    """A message that shall come again is let go with a lease it has to wait for; a nack would bring it back at once."""
    if again is None:
        message.ack()
        return
    message.modify_ack_deadline(int(min(again, AGAIN_MAX).total_seconds()))
    message.drop()


def _end_of(pulling: Any) -> str:
    """Wait for the callbacks that run, and for their acknowledgements; answers what ended the stream."""
    try:
        pulling.result(timeout=DRAIN_SECONDS)
    except BaseException as error:  # noqa: BLE001  whatever ended it is told in one line, and the caller goes on
        return f"{type(error).__name__}: {error}"[:300]
    return "cancelled"


class FakeNotices:
    """A subscription to which nobody publishes; `away` makes it unreachable."""

    def __init__(self) -> None:
        self.away = False

    async def listen(self, take: Take, stop: asyncio.Event) -> None:  # noqa: ARG002  the port's shape
        await stop.wait()

    async def ping(self) -> None:
        if self.away:
            raise Unavailable(PUBSUB)
