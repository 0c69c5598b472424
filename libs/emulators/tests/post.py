"""Topics and subscriptions of one test, through google-cloud-pubsub as it is."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import grpc
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.subscriber.message import Message
from google.cloud.pubsub_v1.types import FlowControl, PublisherOptions
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import ReceivedMessage

PROJECT = "projects/packhouse-test"
POLL_SECONDS = 0.02


class Post:
    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self.publisher = PublisherClient(
            publisher_options=PublisherOptions(enable_message_ordering=True),
            transport=PublisherGrpcTransport(channel=self._channel),
        )
        self.subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=self._channel))
        self._numbers = itertools.count(1)
        self._own = uuid4().hex[:8]

    def close(self) -> None:
        self.subscriber.close()
        self.publisher.stop()
        self._channel.close()

    def name(self, kind: str) -> str:
        """One that no other test has."""
        return f"{PROJECT}/{kind}/t-{self._own}-{next(self._numbers)}"

    def topic(self) -> str:
        return str(self.publisher.create_topic(name=self.name("topics")).name)

    def subscription(self, topic: str, **wishes: Any) -> str:
        request = {"name": self.name("subscriptions"), "topic": topic, **wishes}
        return str(self.subscriber.create_subscription(request=request).name)

    def publish(self, topic: str, *texts: str, key: str = "", **attributes: str) -> list[str]:
        """Returns when they are published, with their ids."""
        futures = [self.publisher.publish(topic, text.encode(), ordering_key=key, **attributes) for text in texts]
        return [future.result(timeout=10) for future in futures]

    def pulls(self, subscription: str, count: int = 1, *, within: float = 15) -> list[ReceivedMessage]:
        """So many messages, in the order they came; fewer when no more come in time."""
        found: list[ReceivedMessage] = []
        ends = time.monotonic() + within
        while len(found) < count and time.monotonic() < ends:
            request = {"subscription": subscription, "max_messages": count - len(found), "return_immediately": True}
            found += self.subscriber.pull(request=request).received_messages
            time.sleep(POLL_SECONDS)
        return found

    def acknowledge(self, subscription: str, *received: ReceivedMessage) -> None:
        self.subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])

    def defer(self, subscription: str, received: ReceivedMessage, seconds: int) -> None:
        """Zero gives it back."""
        self.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=[received.ack_id], ack_deadline_seconds=seconds
        )

    @contextmanager
    def listening(self, subscription: str, hear: Callable[[Message], None], **limits: Any) -> Iterator[Any]:
        """A stream that calls `hear` for each message, from a thread."""
        future = self.subscriber.subscribe(subscription, hear, flow_control=FlowControl(**limits))
        try:
            yield future
        finally:
            future.cancel()


def texts(received: list[ReceivedMessage]) -> list[str]:
    return [one.message.data.decode() for one in received]


def until(condition: Callable[[], bool], within: float = 15) -> bool:
    ends = time.monotonic() + within
    while not condition() and time.monotonic() < ends:
        time.sleep(POLL_SECONDS)
    return condition()
