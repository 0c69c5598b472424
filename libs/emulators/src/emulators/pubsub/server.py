"""The process: `python -m emulators pubsub`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import types

from emulators.pubsub.broker import Broker
from emulators.pubsub.publisher import publisher
from emulators.pubsub.subscriber import subscriber
from emulators.pubsub.wire import Subscription, Topic
from emulators.stopping import stopped

TICK_SECONDS = 0.1
GRACE_SECONDS = 1
MESSAGE_BYTES_MAX = 20 * 1024 * 1024
DEADLINE_SECONDS = 30
LEAST_BACKOFF_SECONDS = 1
MOST_BACKOFF_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription and its topic that are there from the start, by their names without the project."""

    topic: str
    subscription: str


async def serve(host: str, port: int, project: str, wanted: Iterable[Wanted]) -> None:
    """Until the process is asked to end. What was not acknowledged by then is lost."""
    broker = Broker()
    for one in wanted:
        make(broker, project, one)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((publisher(broker), subscriber(broker)))
    server.add_insecure_port(f"{host}:{port}")
    await server.start()
    ticking = asyncio.create_task(_tick(broker))
    await stopped()
    ticking.cancel()
    await server.stop(GRACE_SECONDS)


def make(broker: Broker, project: str, wanted: Wanted) -> None:
    """As deploy/README asks for at Google: a refused message comes again after 1, 2, 4 ... 60 s."""
    topic = f"projects/{project}/topics/{wanted.topic}"
    if topic not in {known.name for known in broker.topics(f"projects/{project}")}:
        broker.create_topic(Topic(name=topic))
    retry = types.RetryPolicy.pb()(
        minimum_backoff=Duration(seconds=LEAST_BACKOFF_SECONDS), maximum_backoff=Duration(seconds=MOST_BACKOFF_SECONDS)
    )
    name = f"projects/{project}/subscriptions/{wanted.subscription}"
    broker.create_subscription(
        Subscription(name=name, topic=topic, ack_deadline_seconds=DEADLINE_SECONDS, retry_policy=retry)
    )


async def _tick(broker: Broker) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        broker.tick()
