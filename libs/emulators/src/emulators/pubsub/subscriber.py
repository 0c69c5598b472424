"""google.pubsub.v1.Subscriber: the calls of whoever listens."""

from __future__ import annotations

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import types

from emulators.pubsub.broker import Broker
from emulators.pubsub.calls import stream, unary, waiting
from emulators.pubsub.pulling import Puller
from emulators.pubsub.wire import Message, Subscription

GetRequest = types.GetSubscriptionRequest.pb()
ListRequest = types.ListSubscriptionsRequest.pb()
ListResponse = types.ListSubscriptionsResponse.pb()
DeleteRequest = types.DeleteSubscriptionRequest.pb()


def subscriber(broker: Broker) -> grpc.GenericRpcHandler:
    puller = Puller(broker)

    def get(request: Message) -> Message:
        return broker.backlog(request.subscription).subscription

    def list_all(request: Message) -> Message:
        return ListResponse(subscriptions=broker.subscriptions(request.project))

    def delete(request: Message) -> Message:
        broker.delete_subscription(request.subscription)
        return Empty()

    def acknowledge(request: Message) -> Message:
        broker.backlog(request.subscription).acknowledge(request.ack_ids)
        return Empty()

    def modify(request: Message) -> Message:
        broker.backlog(request.subscription).extend(request.ack_ids, request.ack_deadline_seconds)
        return Empty()

    handlers = {
        "CreateSubscription": unary(broker.create_subscription, Subscription, Subscription),
        "GetSubscription": unary(get, GetRequest, Subscription),
        "ListSubscriptions": unary(list_all, ListRequest, ListResponse),
        "DeleteSubscription": unary(delete, DeleteRequest, Empty),
        "Acknowledge": unary(acknowledge, types.AcknowledgeRequest.pb(), Empty),
        "ModifyAckDeadline": unary(modify, types.ModifyAckDeadlineRequest.pb(), Empty),
        "Pull": waiting(puller.pull, types.PullRequest.pb(), types.PullResponse.pb()),
        "StreamingPull": stream(puller.stream, types.StreamingPullRequest.pb(), types.StreamingPullResponse.pb()),
    }
    return grpc.method_handlers_generic_handler("google.pubsub.v1.Subscriber", handlers)
