"""What a subscriber may rely on at Google, seen through Google's own client; the official emulator is asked too."""

import time
from collections import defaultdict

import pytest
from google.api_core.exceptions import AlreadyExists, InvalidArgument, NotFound
from google.cloud.pubsub_v1.subscriber.message import Message
from post import Post, texts, until

pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")


def test_topics_are_made_once_found_listed_and_deleted(post: Post) -> None:
    topic = post.topic()
    with pytest.raises(AlreadyExists):
        post.publisher.create_topic(name=topic)
    assert post.publisher.get_topic(topic=topic).name == topic
    assert topic in [one.name for one in post.publisher.list_topics(project="projects/packhouse-test")]
    post.publisher.delete_topic(topic=topic)
    with pytest.raises(NotFound):
        post.publisher.get_topic(topic=topic)


def test_subscriptions_are_made_once_found_listed_and_deleted(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic, ack_deadline_seconds=42)
    with pytest.raises(AlreadyExists):
        post.subscriber.create_subscription(name=subscription, topic=topic)
    assert post.subscriber.get_subscription(subscription=subscription).ack_deadline_seconds == 42
    assert list(post.publisher.list_topic_subscriptions(topic=topic)) == [subscription]
    assert subscription in [one.name for one in post.subscriber.list_subscriptions(project="projects/packhouse-test")]
    post.subscriber.delete_subscription(subscription=subscription)
    with pytest.raises(NotFound):
        post.subscriber.get_subscription(subscription=subscription)


def test_nothing_is_published_to_or_made_of_a_topic_that_is_not_there(post: Post) -> None:
    nowhere = post.name("topics")
    with pytest.raises(NotFound):
        post.subscription(nowhere)
    with pytest.raises(NotFound):
        post.publish(nowhere, "lost")


def test_a_message_comes_with_its_attributes_and_once_acknowledged_no_more(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    (number,) = post.publish(topic, "one", eventType="OBJECT_FINALIZE")
    (received,) = post.pulls(subscription)
    post.acknowledge(subscription, received)
    assert (received.message.message_id, received.message.data) == (number, b"one")
    assert dict(received.message.attributes) == {"eventType": "OBJECT_FINALIZE"}
    assert received.message.publish_time.timestamp() == pytest.approx(time.time(), abs=60)
    assert post.pulls(subscription, within=0.5) == []


def test_each_subscription_gets_each_message_published_after_it(post: Post) -> None:
    topic = post.topic()
    post.publish(topic, "early")
    first, second = post.subscription(topic), post.subscription(topic)
    post.publish(topic, "late")
    assert [texts(post.pulls(one, 2, within=2)) for one in (first, second)] == [["late"], ["late"]]


def test_a_message_given_back_comes_again_at_once(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    post.publish(topic, "one")
    (received,) = post.pulls(subscription)
    post.defer(subscription, received, 0)
    (again,) = post.pulls(subscription, within=5)
    assert again.message.message_id == received.message.message_id
    assert again.ack_id != received.ack_id


def test_a_message_is_lent_for_its_deadline_then_it_comes_again(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    post.publish(topic, "one")
    (received,) = post.pulls(subscription)
    post.defer(subscription, received, 3)
    assert post.pulls(subscription, within=1) == []
    assert texts(post.pulls(subscription, within=10)) == ["one"]


def test_a_stream_delivers_what_is_published_while_it_is_open(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    heard: list[str] = []

    def hear(message: Message) -> None:
        heard.append(message.data.decode())
        message.ack()

    with post.listening(subscription, hear):
        post.publish(topic, *"abc")
        assert until(lambda: sorted(heard) == ["a", "b", "c"])
    assert post.pulls(subscription, within=1) == []


def test_a_refused_message_comes_again_on_the_stream(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    tries: list[str] = []

    def hear(message: Message) -> None:
        tries.append(message.message_id)
        if len(tries) < 3:
            message.nack()
        else:
            message.ack()

    with post.listening(subscription, hear):
        post.publish(topic, "one")
        assert until(lambda: len(tries) == 3)
    assert len(set(tries)) == 1


def test_a_listener_that_fails_gets_the_message_again(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    tries: list[str] = []

    def hear(message: Message) -> None:
        tries.append(message.message_id)
        if len(tries) == 1:
            raise ValueError("planted")
        message.ack()

    with post.listening(subscription, hear):
        post.publish(topic, "one")
        assert until(lambda: len(tries) == 2)


def test_a_stream_ends_with_its_subscription(post: Post) -> None:
    subscription = post.subscription(post.topic())
    with post.listening(subscription, Message.ack) as listening:
        assert not until(listening.done, 1)
        post.subscriber.delete_subscription(subscription=subscription)
        with pytest.raises(NotFound):
            listening.result(timeout=15)


def test_after_five_tries_a_message_goes_to_the_dead_letters(post: Post) -> None:
    topic, dead = post.topic(), post.topic()
    letters = post.subscription(dead)
    policy = {"dead_letter_topic": dead, "max_delivery_attempts": 5}
    subscription = post.subscription(topic, dead_letter_policy=policy)
    post.publish(topic, "poison", color="green")
    tries = []
    for _ in range(5):
        (received,) = post.pulls(subscription)
        tries.append(received.delivery_attempt)
        post.defer(subscription, received, 0)
    assert post.pulls(subscription, within=0.5) == []
    (letter,) = post.pulls(letters)
    assert tries == [1, 2, 3, 4, 5]
    assert (letter.message.data, letter.message.attributes["color"]) == (b"poison", "green")
    assert letter.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert letter.message.attributes["CloudPubSubDeadLetterSourceSubscription"] == subscription.rpartition("/")[2]


def test_what_is_out_of_google_s_bounds_is_refused(post: Post) -> None:
    topic = post.topic()
    with pytest.raises(InvalidArgument):
        post.subscription(topic, ack_deadline_seconds=601)
    with pytest.raises(InvalidArgument):
        post.publisher.create_topic(name="projects/p/topics/1")
    with pytest.raises(InvalidArgument):
        post.publish(topic, "")


def test_messages_of_one_key_come_in_order(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic, enable_message_ordering=True)
    heard: dict[str, list[str]] = defaultdict(list)

    def hear(message: Message) -> None:
        heard[message.ordering_key].append(message.data.decode())
        message.ack()

    with post.listening(subscription, hear):
        for key in ("left", "right"):
            post.publish(topic, *"12345", key=key)
        assert until(lambda: len(heard["left"]) == len(heard["right"]) == 5)
    assert heard == {"left": list("12345"), "right": list("12345")}


def test_a_client_holds_no_more_than_it_wants_to(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    held: list[Message] = []
    post.publish(topic, *"abcdef")
    with post.listening(subscription, held.append, max_messages=2):
        assert until(lambda: len(held) == 2)
        assert not until(lambda: len(held) > 2, 1)
        held[0].ack()
        assert until(lambda: len(held) == 3)
