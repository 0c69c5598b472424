"""What Google promises its subscribers and the official emulator does not do: tried on ours alone."""

from collections import defaultdict
from datetime import timedelta

import grpc
import pytest
from google.api_core.exceptions import MethodNotImplemented
from google.cloud.pubsub_v1.subscriber.message import Message
from post import Post, texts, until

pytestmark = [
    pytest.mark.parametrize("emulator", ["ours"], indirect=True),
    pytest.mark.filterwarnings("ignore:The return_immediately flag"),
]


def test_messages_of_one_key_come_in_order_also_after_a_refusal(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic, enable_message_ordering=True)
    heard: dict[str, list[str]] = defaultdict(list)
    refused: list[str] = []

    def hear(message: Message) -> None:
        text = message.data.decode()
        if text == "2" and message.ordering_key not in refused:
            refused.append(message.ordering_key)
            message.nack()
            return
        if not heard[message.ordering_key] or heard[message.ordering_key][-1] != text:
            heard[message.ordering_key].append(text)
        message.ack()

    for key in ("left", "right"):
        post.publish(topic, *"12345", key=key)
    with post.listening(subscription, hear):
        assert until(lambda: all(heard[key][-1:] == ["5"] for key in ("left", "right")))
    assert sorted(refused) == ["left", "right"]
    assert heard == {"left": list("12345"), "right": list("12345")}


def test_a_retry_policy_puts_a_refused_message_off(post: Post) -> None:
    topic = post.topic()
    policy = {"minimum_backoff": timedelta(seconds=2), "maximum_backoff": timedelta(seconds=4)}
    subscription = post.subscription(topic, retry_policy=policy)
    post.publish(topic, "one")
    (received,) = post.pulls(subscription)
    post.defer(subscription, received, 0)
    assert post.pulls(subscription, within=1) == []
    assert texts(post.pulls(subscription, within=10)) == ["one"]


def test_what_a_stream_may_not_hold_goes_to_others(post: Post) -> None:
    topic = post.topic()
    subscription = post.subscription(topic)
    held: list[Message] = []
    post.publish(topic, *"abcdef")
    with post.listening(subscription, held.append, max_messages=2):
        assert until(lambda: len(held) == 2)
        assert len(post.pulls(subscription, 4)) == 4


def test_a_call_and_a_wish_that_the_emulator_does_not_know_are_refused(post: Post, emulator: str) -> None:
    topic = post.topic()
    with pytest.raises(MethodNotImplemented):
        post.subscriber.create_snapshot(name=post.name("snapshots"), subscription=post.subscription(topic))
    with pytest.raises(MethodNotImplemented):
        post.subscription(topic, filter='attributes.eventType = "OBJECT_FINALIZE"')
    with grpc.insecure_channel(emulator) as channel, pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        channel.unary_unary("/google.pubsub.v1.Subscriber/Nonsense")(b"")
