"""google.pubsub.v1.Publisher: the calls of whoever has something to say."""

from __future__ import annotations

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from emulators.pubsub.broker import Broker
from emulators.pubsub.calls import unary
from emulators.pubsub.wire import Message, Topic

ListTopicsRequest = types.ListTopicsRequest.pb()
ListTopicsResponse = types.ListTopicsResponse.pb()
ListNamesRequest = types.ListTopicSubscriptionsRequest.pb()
ListNamesResponse = types.ListTopicSubscriptionsResponse.pb()
PublishRequest = types.PublishRequest.pb()
PublishResponse = types.PublishResponse.pb()


def publisher(broker: Broker) -> grpc.GenericRpcHandler:
    """Lists come whole, on one page: the broker keeps no more than fits on it."""

    def publish(request: Message) -> Message:
        return PublishResponse(message_ids=broker.publish(request.topic, request.messages))

    def list_topics(request: Message) -> Message:
        return ListTopicsResponse(topics=broker.topics(request.project))

    def list_subscriptions(request: Message) -> Message:
        return ListNamesResponse(subscriptions=broker.subscriptions_of(request.topic))

    def delete_topic(request: Message) -> Message:
        broker.delete_topic(request.topic)
        return Empty()

    handlers = {
        "CreateTopic": unary(broker.create_topic, Topic, Topic),
        "GetTopic": unary(lambda request: broker.topic(request.topic), types.GetTopicRequest.pb(), Topic),
        "ListTopics": unary(list_topics, ListTopicsRequest, ListTopicsResponse),
        "ListTopicSubscriptions": unary(list_subscriptions, ListNamesRequest, ListNamesResponse),
        "DeleteTopic": unary(delete_topic, types.DeleteTopicRequest.pb(), Empty),
        "Publish": unary(publish, PublishRequest, PublishResponse),
    }
    return grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", handlers)
