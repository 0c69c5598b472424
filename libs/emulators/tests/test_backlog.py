"""The rules of one subscription by a clock that the test turns: no process, no network."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import types

from emulators.pubsub.backlog import MESSAGES_MAX, Backlog
from emulators.pubsub.broker import RESOURCES_MAX, Broker
from emulators.pubsub.refusals import Refused
from emulators.pubsub.wire import Message, PubsubMessage, Subscription, Topic

TOPIC = "projects/p/topics/first"
NAME = "projects/p/subscriptions/first"
MANY = 1_000_000


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def backlog(clock: Clock, **wishes: object) -> Backlog:
    return Backlog(Subscription(name=NAME, ack_deadline_seconds=10, **wishes), lambda *_: False, clock)


def told(text: str, key: str = "") -> Message:
    return PubsubMessage(data=text.encode(), ordering_key=key)


def taken(held: Backlog, count: int = 100) -> list[str]:
    return [one.message.data.decode() for one in held.take(count, MANY, 10)]


def refuse_all(held: Backlog) -> None:
    for one in held.take(100, MANY, 10):
        held.extend([one.ack_id], 0)


def test_a_refused_message_waits_twice_as_long_each_time_up_to_the_most() -> None:
    clock = Clock()
    policy = types.RetryPolicy.pb()(minimum_backoff=Duration(seconds=1), maximum_backoff=Duration(seconds=5))
    held = backlog(clock, retry_policy=policy)
    held.add(told("one"))
    waits = []
    for _ in range(5):
        refuse_all(held)
        since = clock.now
        while not held._waiting:
            clock.now += 0.5
            held.tick()
        waits.append(clock.now - since)
    assert waits == [1, 2, 4, 5, 5]


@pytest.mark.plant("a refused message that is overtaken")
def test_no_later_message_of_its_key_overtakes_one_that_is_put_off() -> None:
    clock = Clock()
    policy = types.RetryPolicy.pb()(minimum_backoff=Duration(seconds=1))
    held = backlog(clock, retry_policy=policy, enable_message_ordering=True)
    for text, key in (("1", "a"), ("2", "a"), ("other", "b")):
        held.add(told(text, key))
    (first, *_) = held.take(1, MANY, 10)
    held.extend([first.ack_id], 0)
    assert taken(held) == ["other"]
    clock.now = 1
    held.tick()
    assert taken(held) == ["1"]


def test_a_late_acknowledgement_changes_nothing() -> None:
    clock = Clock()
    held = backlog(clock)
    held.add(told("one"))
    (lent,) = held.take(1, MANY, 10)
    clock.now = 10
    held.tick()
    held.acknowledge([lent.ack_id])
    assert taken(held) == ["one"]


def test_a_large_message_goes_out_alone_and_is_not_kept_for_ever() -> None:
    held = backlog(Clock())
    for text in ("x" * 100, "y" * 100):
        held.add(told(text))
    assert [one[0] for one in (taken_of(held, 50), taken_of(held, 50))] == ["x", "y"]


def taken_of(held: Backlog, size: int) -> str:
    (one,) = held.take(100, size, 10)
    return str(one.message.data.decode())


def test_a_subscriber_that_has_gone_away_does_not_fill_the_memory() -> None:
    broker = Broker()
    broker.create_topic(Topic(name=TOPIC))
    broker.create_subscription(Subscription(name=NAME, topic=TOPIC))
    for _ in range(MESSAGES_MAX // 1_000):
        broker.publish(TOPIC, [told("x") for _ in range(1_000)])
    with pytest.raises(Refused, match="nobody acknowledges"):
        broker.publish(TOPIC, [told("x")])


def test_there_is_an_end_to_topics() -> None:
    broker = Broker()
    for number in range(RESOURCES_MAX):
        broker.create_topic(Topic(name=f"{TOPIC}-{number}"))
    with pytest.raises(Refused, match="at most"):
        broker.create_topic(Topic(name=TOPIC))


def test_dead_letters_without_a_topic_stay_where_they_are() -> None:
    broker = Broker()
    broker.create_topic(Topic(name=TOPIC))
    policy = types.DeadLetterPolicy.pb()(dead_letter_topic="projects/p/topics/gone")
    broker.create_subscription(Subscription(name=NAME, topic=TOPIC, dead_letter_policy=policy))
    broker.publish(TOPIC, [told("x")])
    held = broker.backlog(NAME)
    for _ in range(6):
        refuse_all(held)
    assert taken(held) == ["x"]
