"""Making what a test needs of its own: buckets through the door, topics and subscriptions at the Pub/Sub emulator."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

import grpc
from google.api_core.exceptions import AlreadyExists
from google.oauth2.service_account import Credentials
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from emulators.storage.account import SCOPES

DEADLINE_SECONDS: Final = 10
ANSWER_SECONDS: Final = 10


def make_buckets(url: str, key_file: Path, names: Iterable[str]) -> None:
    """Raises urllib.error.HTTPError when the store refuses; one that is there already stays as it is."""
    token = _token(key_file)
    for name in names:
        request = urllib.request.Request(f"{url}/storage/v1/b", data=json.dumps({"name": name}).encode())  # noqa: S310  our own address
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
        try:
            urllib.request.urlopen(request, timeout=ANSWER_SECONDS).close()  # noqa: S310  as above
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise


def make_subscription(emulator: str, project: str, topic: str, name: str, backoff_seconds: tuple[float, float]) -> None:
    """With its topic, if that is not there. What is refused comes again after the least to the most backoff."""
    path = f"projects/{project}/topics/{topic}"
    with grpc.insecure_channel(emulator) as channel:
        with suppress(AlreadyExists):
            PublisherClient(transport=PublisherGrpcTransport(channel=channel)).create_topic(name=path)
        least, most = (timedelta(seconds=seconds) for seconds in backoff_seconds)
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)).create_subscription(
            request={
                "name": f"projects/{project}/subscriptions/{name}",
                "topic": path,
                "ack_deadline_seconds": DEADLINE_SECONDS,
                "retry_policy": {"minimum_backoff": least, "maximum_backoff": most},
            }
        )


def delete_subscription(emulator: str, project: str, name: str) -> None:
    with grpc.insecure_channel(emulator) as channel:
        SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)).delete_subscription(
            subscription=f"projects/{project}/subscriptions/{name}"
        )


def _token(key_file: Path) -> str:
    credentials = Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
        str(key_file), scopes=[f"{SCOPES}devstorage.full_control"], always_use_jwt_access=True
    )
    credentials.refresh(None)
    return str(credentials.token)
