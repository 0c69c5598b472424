"""The two as processes of a stack: killed, started again, away while the other one wants something of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from google.pubsub_v1 import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from signing import BODY, Signer, credentials

from packhouse.cloud import cloud_variables
from packhouse.home import Home
from packhouse.processes import wait_until
from packhouse.servers import Server, Servers, end_everything
from testkit.cloud import Cloud


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Servers]:
    home = Home(tmp_path)
    servers = Servers(home, {}, cloud=True)
    servers.settle_addresses()
    for server in servers.cloud:
        server.start()
    yield servers
    end_everything(home)


@pytest.fixture
def signer(stack: Servers, tmp_path: Path) -> Signer:
    """With the buckets and the subscription that every stack has."""
    cloud = Cloud(cloud_variables(stack, Home(tmp_path).keys))
    return Signer(cloud, credentials(cloud.key_file))


def private(server: object) -> Server:
    assert isinstance(server, Server)
    return server


def test_a_killed_store_takes_what_is_behind_its_door_with_it_and_keeps_its_objects(
    stack: Servers, signer: Signer
) -> None:
    store, blob = private(stack.storage), signer.blob()
    httpx.request(**signer.upload(blob).request)
    (behind,) = psutil.Process(store.process.pid).children()
    store.kill()
    assert wait_until(lambda: not behind.is_running(), 5)
    store.start()
    read = httpx.get(signer.sign(blob, "GET"))
    assert (read.content, read.headers["Content-Type"]) == (BODY, "image/png")


def test_a_door_without_its_store_ends_so_that_somebody_notices(stack: Servers) -> None:
    store = private(stack.storage)
    (behind,) = psutil.Process(store.process.pid).children()
    behind.kill()
    assert wait_until(lambda: not store.alive, 5)
    assert "fake-gcs-server has ended" in store.home.log("storage").read_text()


def test_both_end_when_they_are_asked_to(stack: Servers) -> None:
    processes = [private(server).process for server in stack.cloud]
    for process in processes:
        process.stop(5)
    assert not any(process.alive for process in processes)


def test_an_upload_while_pubsub_is_away_is_told_when_it_is_back(stack: Servers, signer: Signer) -> None:
    pubsub, blob = private(stack.pubsub), signer.blob()
    pubsub.kill()
    stored = httpx.request(**signer.upload(blob).request)
    pubsub.start()
    assert stored.status_code == 200
    assert next_notice(signer.cloud) == blob.name


def next_notice(cloud: Cloud) -> str:
    name = f"projects/{cloud.project}/subscriptions/{cloud.subscription}"
    with grpc.insecure_channel(cloud.pubsub_emulator) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        (received,) = client.pull(subscription=name, max_messages=1, timeout=40).received_messages
        return str(json.loads(received.message.data)["name"])
