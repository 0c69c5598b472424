"""The messages of the protocol as plain protobuf classes, which cost a tenth of their wrappers."""

from __future__ import annotations

from typing import Any

from google.pubsub_v1 import types

Message = Any
"""Some protobuf message: their classes are made at run time, so there are no types to name."""

Topic = types.Topic.pb()
Subscription = types.Subscription.pb()
PubsubMessage = types.PubsubMessage.pb()
ReceivedMessage = types.ReceivedMessage.pb()
DELETED_TOPIC = "_deleted-topic_"
"""What a subscription names that has outlived its topic."""


def seconds(duration: Message) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
