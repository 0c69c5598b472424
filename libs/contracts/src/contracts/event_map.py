"""Who hears what: the committed map from each topic to the services that consume it.

`event_map.json` is generated from the manifests. The relay reads it to tell a message that got lost on its way
from one that nobody subscribes to yet.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def event_map() -> Mapping[str, frozenset[str]]:
    """Consumers by topic; a topic that nobody consumes may be missing."""
    text = (files("contracts") / "event_map.json").read_text(encoding="utf-8")
    return {topic: frozenset(services) for topic, services in json.loads(text).items()}


def consumers_of(topic: str) -> frozenset[str]:
    """The services that hear this topic; empty when there are none."""
    return event_map().get(topic, frozenset())


def listeners_to(source: str) -> frozenset[str]:
    """The services that hear any topic of this source, and may therefore ask it for missing events."""
    heard = (services for topic, services in event_map().items() if topic.split(".", 1)[0] == source)
    return frozenset().union(*heard)
