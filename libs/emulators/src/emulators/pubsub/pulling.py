"""Handing messages out: once, to a call that waits a while, or all along a stream that its client keeps open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from google.pubsub_v1 import types

from emulators.pubsub.backlog import BYTES_MAX, LEASE_SECONDS_MAX, Backlog
from emulators.pubsub.broker import DEADLINE_SECONDS, Broker
from emulators.pubsub.refusals import invalid, missing
from emulators.pubsub.wire import Message

PullResponse = types.PullResponse.pb()
StreamingPullResponse = types.StreamingPullResponse.pb()
PULL_SECONDS: Final = 20
BATCH_MAX: Final = 1_000


@dataclass(slots=True)
class Listener:
    """One open stream: how much its client wants to hold at a time, and what it holds now."""

    backlog: Backlog
    lease_seconds: int
    messages_max: int
    bytes_max: int
    open: bool = True
    held: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, first: Message, backlog: Backlog) -> Listener:
        """Zero or less means that the client sets no limit."""
        messages = first.max_outstanding_messages if first.max_outstanding_messages > 0 else BATCH_MAX
        size = first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else BYTES_MAX
        return cls(backlog, _lease_seconds(first.stream_ack_deadline_seconds), messages, size)

    def hears(self, request: Message) -> None:
        """Acknowledgements and extensions may come on the stream as well as by calls of their own."""
        if request.stream_ack_deadline_seconds:
            self.lease_seconds = _lease_seconds(request.stream_ack_deadline_seconds)
        self.backlog.acknowledge(request.ack_ids)
        for ack_id, lease in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=False):
            self.backlog.extend([ack_id], lease)

    def take(self) -> list[Message]:
        self.held = self.backlog.leased(self.held)
        messages = min(self.messages_max - len(self.held), BATCH_MAX)
        taken = self.backlog.take(messages, self.bytes_max - sum(self.held.values()), self.lease_seconds)
        self.held |= self.backlog.leased(message.ack_id for message in taken)
        return taken


class Puller:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def pull(self, request: Message) -> Message:
        """What there is; when there is nothing, what comes within some seconds."""
        if request.max_messages < 1:
            raise invalid("max_messages is 1 or more")
        backlog = self._broker.backlog(request.subscription)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0 if request.return_immediately else PULL_SECONDS):
                while self._broker.backlog(request.subscription) is backlog:
                    taken = backlog.take(min(request.max_messages, BATCH_MAX), BYTES_MAX, backlog.deadline_seconds)
                    if taken:
                        return PullResponse(received_messages=taken)
                    backlog.changed.clear()
                    await backlog.changed.wait()
        return PullResponse()

    async def stream(self, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        """Until the client closes its side or the subscription is gone, which raises Refused."""
        first = await anext(aiter(requests))
        name = first.subscription
        backlog = self._broker.backlog(name)
        listener = Listener.of(first, backlog)
        listener.hears(first)
        hearing = asyncio.create_task(_hear(requests, listener))
        try:
            while listener.open:
                if self._broker.backlog(name) is not backlog:
                    raise missing(name)
                taken = listener.take()
                if taken:
                    yield StreamingPullResponse(received_messages=taken)
                else:
                    backlog.changed.clear()
                    await backlog.changed.wait()
            hearing.result()
        finally:
            hearing.cancel()


async def _hear(requests: AsyncIterator[Message], listener: Listener) -> None:
    try:
        async for request in requests:
            listener.hears(request)
    finally:
        listener.open = False
        listener.backlog.changed.set()


def _lease_seconds(wished: int) -> int:
    if not DEADLINE_SECONDS <= wished <= LEASE_SECONDS_MAX:
        raise invalid(f"stream_ack_deadline_seconds is {DEADLINE_SECONDS} to {LEASE_SECONDS_MAX}, not {wished}")
    return wished
