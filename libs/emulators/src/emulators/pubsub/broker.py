"""Topics, their subscriptions, and what is published between them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from typing import Final

from emulators.pubsub.backlog import Backlog
from emulators.pubsub.refusals import Refused, full, invalid, missing, taken, unknown
from emulators.pubsub.wire import DELETED_TOPIC, Message, PubsubMessage

NAME: Final = re.compile(r"projects/[^/]+/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
RESOURCES_MAX: Final = 1_000
MESSAGES_MAX: Final = 1_000
REQUEST_BYTES_MAX: Final = 10_000_000
DEADLINE_SECONDS: Final = 10
DEADLINE_SECONDS_MAX: Final = 600
ATTEMPTS: Final = range(5, 101)
UNKNOWN_WISHES: Final = ("filter", "enable_exactly_once_delivery", "detached")
UNKNOWN_WAYS: Final = ("bigquery_config", "cloud_storage_config")


class Broker:
    """Everything in memory and within limits; what is over a limit is refused, as Google refuses what is over quota.

    A wish that the emulator does not know is refused too, so that nobody relies on what is not there.
    """

    def __init__(self) -> None:
        self._topics: dict[str, Message] = {}
        self._backlogs: dict[str, Backlog] = {}
        self._numbers = itertools.count(1)

    # Topics

    def create_topic(self, topic: Message) -> Message:
        _require_name(topic.name, "topics")
        _require_new(topic.name, self._topics)
        self._topics[topic.name] = topic
        return topic

    def topic(self, name: str) -> Message:
        if name not in self._topics:
            raise missing(name)
        return self._topics[name]

    def topics(self, project: str) -> list[Message]:
        return [topic for name, topic in self._topics.items() if name.startswith(f"{project}/")]

    def delete_topic(self, name: str) -> None:
        """Its subscriptions stay, with what they hold."""
        self.topic(name)
        del self._topics[name]
        for backlog in self._of(name):
            backlog.subscription.topic = DELETED_TOPIC

    def publish(self, topic: str, messages: Sequence[Message]) -> list[str]:
        """To each subscription there is now, or to none when one has no room. Answers the messages' new ids."""
        self.topic(topic)
        _require_messages(messages)
        backlogs = self._of(topic)
        for backlog in backlogs:
            backlog.require_room(message.ByteSize() for message in messages)
        for message in messages:
            message.message_id = str(next(self._numbers))
            message.publish_time.GetCurrentTime()
            for backlog in backlogs:
                backlog.add(message)
        return [message.message_id for message in messages]

    # Subscriptions

    def create_subscription(self, subscription: Message) -> Message:
        _require_name(subscription.name, "subscriptions")
        _require_known_wishes(subscription)
        self.topic(subscription.topic)
        _require_new(subscription.name, self._backlogs)
        _settle(subscription)
        self._backlogs[subscription.name] = Backlog(subscription, self._bury)
        return subscription

    def backlog(self, name: str) -> Backlog:
        if name not in self._backlogs:
            raise missing(name)
        return self._backlogs[name]

    def subscriptions(self, project: str) -> list[Message]:
        return [one.subscription for name, one in self._backlogs.items() if name.startswith(f"{project}/")]

    def subscriptions_of(self, topic: str) -> list[str]:
        self.topic(topic)
        return [backlog.subscription.name for backlog in self._of(topic)]

    def delete_subscription(self, name: str) -> None:
        """Whoever is waiting for its messages is told."""
        backlog = self.backlog(name)
        del self._backlogs[name]
        backlog.changed.set()

    def tick(self) -> None:
        """To be called a few times a second."""
        for backlog in tuple(self._backlogs.values()):
            backlog.tick()

    def _of(self, topic: str) -> list[Backlog]:
        return [one for one in self._backlogs.values() if one.subscription.topic == topic]

    def _bury(self, subscription: Message, message: Message, attempts: int) -> bool:
        _, project, _, name = subscription.name.split("/")
        dead = PubsubMessage(data=message.data, attributes=message.attributes, ordering_key=message.ordering_key)
        dead.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = str(attempts)
        dead.attributes["CloudPubSubDeadLetterSourceSubscription"] = name
        dead.attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] = project
        dead.attributes["CloudPubSubDeadLetterSourceTopicPublishTime"] = message.publish_time.ToJsonString()
        try:
            self.publish(subscription.dead_letter_policy.dead_letter_topic, [dead])
        except Refused:
            return False
        return True


def _require_name(name: str, kind: str) -> None:
    match = NAME.fullmatch(name)
    if match is None or match[1] != kind:
        raise invalid(f"Invalid [{kind}] name: (name={name})")


def _require_new(name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name in names:
        raise taken(name)
    if len(names) >= RESOURCES_MAX:
        raise full(f"the emulator keeps {RESOURCES_MAX} of a kind at most")


def _require_messages(messages: Sequence[Message]) -> None:
    if not 0 < len(messages) <= MESSAGES_MAX:
        raise invalid(f"The value for message_count is out of range. You passed {len(messages)}.")
    if sum(message.ByteSize() for message in messages) > REQUEST_BYTES_MAX:
        raise invalid(f"The value for request_size is too large, the maximum is {REQUEST_BYTES_MAX} bytes.")
    if any(not message.data and not message.attributes for message in messages):
        raise invalid("Some messages in your publish request have neither data nor attributes.")


def _require_known_wishes(subscription: Message) -> None:
    for wish in UNKNOWN_WISHES:
        if getattr(subscription, wish):
            raise unknown(wish)
    if subscription.push_config.push_endpoint:
        raise unknown("push_endpoint")
    for way in UNKNOWN_WAYS:
        if subscription.HasField(way):
            raise unknown(way)


def _settle(subscription: Message) -> None:
    """Fill in Google's defaults, refuse what is out of its bounds."""
    subscription.ack_deadline_seconds = subscription.ack_deadline_seconds or DEADLINE_SECONDS
    if not DEADLINE_SECONDS <= subscription.ack_deadline_seconds <= DEADLINE_SECONDS_MAX:
        raise invalid(f"Invalid ack deadline given: (ack_deadline={subscription.ack_deadline_seconds})")
    if subscription.HasField("dead_letter_policy"):
        policy = subscription.dead_letter_policy
        policy.max_delivery_attempts = policy.max_delivery_attempts or ATTEMPTS.start
        if policy.max_delivery_attempts not in ATTEMPTS:
            raise invalid(f"max_delivery_attempts is 5 to 100, not {policy.max_delivery_attempts}")
