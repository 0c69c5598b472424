"""The AsyncAPI document says what the manifests say, and is one by the standard's own schema."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from jsonschema import Draft7Validator, Draft202012Validator

from chassis.bus import Envelope
from chassis.manifest import load
from contracts.event import Event
from contracts.orders import CheckoutAborted
from packhouse.environment import installed_services
from packhouse.generate.asyncapi import document
from packhouse.generate.events import consumers, said
from testkit.sample.manifest import SERVICE as SAMPLE

SERVICES = [load(name) for name in installed_services()]
DOCUMENT = document(SERVICES)
STANDARD = Draft7Validator(json.loads(gzip.decompress(Path(__file__).with_name("asyncapi-3.0.0.json.gz").read_bytes())))


def payload_validator(event: type[Event]) -> Draft202012Validator:
    reference = f"#/components/messages/{event.topic}/payload"
    return Draft202012Validator({"$ref": reference, "components": DOCUMENT["components"]})


def envelope(event: Event) -> Envelope:
    return Envelope(
        event_id=uuid4(), topic=event.topic, source=event.source(), epoch=1, aggregate_type=event.aggregate,
        aggregate_id=event.aggregate_id, seq=1, baseline=False, occurred_at=datetime.now(UTC), traceparent=None,
        request_id="r", actor=None, data=event.model_dump(mode="json"),
    )  # fmt: skip


def test_the_document_follows_the_asyncapi_schema() -> None:
    assert not [f"{error.json_path}: {error.message}" for error in STANDARD.iter_errors(DOCUMENT)]


def test_the_asyncapi_schema_sees_a_planted_mistake() -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    next(iter(broken["operations"].values()))["action"] = "shout"
    assert list(STANDARD.iter_errors(broken))


def test_every_event_has_a_channel_and_everybody_who_says_or_hears_it_an_operation() -> None:
    heard = consumers(SERVICES)
    expected = {f"{event.source()}.says.{event.topic}" for event in said(SERVICES)}
    expected |= {f"{name}.hears.{topic}" for topic, names in heard.items() for name in names}
    assert set(DOCUMENT["operations"]) == expected
    assert {topic: channel["address"] for topic, channel in DOCUMENT["channels"].items()} == {
        event.topic: event.routing_key() for event in said(SERVICES)
    }
    for topic, channel in DOCUMENT["channels"].items():
        assert channel["x-consumers"] == heard.get(topic, [])


def test_what_travels_is_what_the_document_promises() -> None:
    event = CheckoutAborted(checkout_id=UUID(int=1), buyer_store_id=UUID(int=2), line_ids=[UUID(int=3)])
    validator = payload_validator(CheckoutAborted)
    body = json.loads(envelope(event).to_body())
    assert not [error.message for error in validator.iter_errors(body)]

    for name in ("sequence", "data", "epoch"):
        assert list(validator.iter_errors({key: value for key, value in body.items() if key != name})), name
    assert list(validator.iter_errors({**body, "type": "orders.order_created.v1"}))
    assert list(validator.iter_errors({**body, "data": {**body["data"], "line_ids": "none"}}))


def test_two_events_of_one_name_keep_payloads_of_their_own() -> None:
    class CheckoutAborted(Event, topic="sample.checkout_aborted.v1", aggregate="thing", key="thing_id"):
        thing_id: UUID

    namesake = type(SAMPLE)(name="sample", settings=SAMPLE.settings, emits={CheckoutAborted})

    made = document([*SERVICES, namesake])

    payloads = [
        made["components"]["messages"][topic]["payload"]["allOf"][1]["properties"]["data"]["$ref"]
        for topic in ("sample.checkout_aborted.v1", "orders.checkout_aborted.v1")
    ]
    assert len(set(payloads)) == 2
    assert all(one.rpartition("/")[2] in made["components"]["schemas"] for one in payloads)
    assert not list(STANDARD.iter_errors(made))
