"""Events on the wire: CloudEvents 1.0, and a place in the headers that needs no body (spec 1.9)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aio_pika import DeliveryMode
from hypothesis import given
from hypothesis import strategies as st

from chassis.bus import Envelope, Stamp, UnreadableBody, UnusableHeaders

EVENT = Envelope(
    event_id=UUID("018f0000-0000-7000-8000-000000000001"),
    topic="orders.order_created.v1",
    source="orders",
    epoch=1,
    aggregate_type="vendor_order",
    aggregate_id=UUID("018f0000-0000-7000-8000-000000000002"),
    seq=42,
    baseline=False,
    occurred_at=datetime(2026, 11, 25, 18, 0, tzinfo=UTC),
    traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    request_id="r-1",
    actor="user:018f0000-0000-7000-8000-000000000003",
    data={"order_number": 7},
)


def test_the_wire_form_is_a_cloudevent_with_the_extensions_of_the_specification() -> None:
    assert json.loads(EVENT.to_body()) == {
        "specversion": "1.0",
        "id": "018f0000-0000-7000-8000-000000000001",
        "source": "/packhouse/orders",
        "type": "orders.order_created.v1",
        "subject": "018f0000-0000-7000-8000-000000000002",
        "time": "2026-11-25T18:00:00+00:00",
        "datacontenttype": "application/json",
        "partitionkey": "vendor_order/018f0000-0000-7000-8000-000000000002",
        "sequence": "0000000042",
        "epoch": 1,
        "baseline": False,
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "requestid": "r-1",
        "actor": "user:018f0000-0000-7000-8000-000000000003",
        "data": {"order_number": 7},
    }


def test_a_message_is_persistent_and_carries_its_place_in_its_headers() -> None:
    message = EVENT.to_message()

    assert message.delivery_mode is DeliveryMode.PERSISTENT
    assert message.message_id == str(EVENT.event_id)
    assert EVENT.routing_key == "orders.vendor_order.order_created.v1"
    assert Stamp.from_message(message) == EVENT.stamp


@given(
    seq=st.integers(1, 2**62),
    epoch=st.integers(1, 2**31 - 1),
    baseline=st.booleans(),
    request_id=st.none() | st.text(min_size=1),
    data=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
)
def test_every_event_comes_back_as_it_was_sent(**changed: Any) -> None:
    event = replace(EVENT, **changed)

    assert Envelope.from_message(event.to_message()) == event


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", None),
        ("source", "Orders"),
        ("aggregate_type", ""),
        ("aggregate_id", "7"),
        ("seq", 0),
        ("seq", "42"),
        ("seq", True),
        ("seq", 2**63),
        ("epoch", -1),
        ("topic", "order_created"),
    ],
)
def test_a_message_without_a_usable_place_says_so(name: str, value: object) -> None:
    message = EVENT.to_message()
    message.headers[name] = value  # type: ignore[assignment]

    with pytest.raises(UnusableHeaders):
        Stamp.from_message(message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[]",
        b"null",
        b"[" * 100_000,
        json.dumps(EVENT.to_json() | {"data": "text"}).encode(),
        json.dumps(EVENT.to_json() | {"specversion": "2.0"}).encode(),
        json.dumps(EVENT.to_json() | {"sequence": "43"}).encode(),
        json.dumps(EVENT.to_json() | {"data": {"x": "y" * 1024 * 1024}}).encode(),
    ],
)
def test_a_body_that_cannot_be_read_or_tells_of_another_place_says_so(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        Envelope.read(EVENT.stamp, body)
