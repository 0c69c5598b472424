"""What is said on the bus as an AsyncAPI 3 document: channels, messages, and who sends and receives them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from chassis.bus.envelope import CONTENT_TYPE
from chassis.bus.topology import EXCHANGE, inbox_queue
from chassis.manifest import Service
from contracts.event import Event, Snapshot
from packhouse.generate.catalogue import CONSUMERS
from packhouse.generate.events import consumers, said

PAGE = Path("libs/contracts/src/contracts/asyncapi.json")
VERSION = "3.0.0"
BINDING_VERSION = "0.3.0"
PERSISTENT = 2
ENVELOPE = "CloudEvent"
ABOUT = """\
Facts about aggregates, in past tense. Each aggregate's events are numbered 1, 2, 3 by the service that says them; a
consumer applies each once and in order. A snapshot carries the whole public state of its aggregate, with a version that
only grows. A contract grows by optional fields only; a reader ignores fields it does not know."""

Json = dict[str, Any]


def documents(services: Sequence[Service]) -> dict[Path, str]:
    return {PAGE: json.dumps(document(services), indent=2, ensure_ascii=False) + "\n"}


def document(services: Sequence[Service]) -> Json:
    events, heard = said(services), consumers(services)
    payloads, schemas = _schemas(events)
    return {
        "asyncapi": VERSION,
        "info": {"title": "Packhouse events", "version": "1", "description": ABOUT},
        "defaultContentType": CONTENT_TYPE,
        "channels": {event.topic: _channel(event, heard.get(event.topic, ())) for event in events},
        "operations": dict(_operations(events, heard)),
        "components": {
            "messages": {event.topic: _message(event, payloads[event]) for event in events},
            "schemas": {ENVELOPE: _ENVELOPE, **schemas},
        },
    }


def _channel(event: type[Event], hearers: Sequence[str]) -> Json:
    """The address is the routing key; queues are bound to whole aggregates, so that numbers stay contiguous."""
    exchange = {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": event.routing_key(),
        "title": event.__name__,
        **_promise(event),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.topic}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": BINDING_VERSION}},
        "x-producer": event.source(),
        "x-consumers": list(hearers),
        "x-awaited": [name for name in CONSUMERS.get(event.topic, ()) if name not in hearers],
        "x-aggregate": {"type": event.aggregate, "key": event.key},
        "x-snapshot": issubclass(event, Snapshot),
    }


def _operations(events: Sequence[type[Event]], heard: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, Json]]:
    for event in events:
        sending = {"deliveryMode": PERSISTENT, "mandatory": True, "bindingVersion": BINDING_VERSION}
        yield f"{event.source()}.says.{event.topic}", _operation("send", event, sending)
        for name in heard.get(event.topic, ()):
            receiving = {"ack": True, "bindingVersion": BINDING_VERSION}
            yield (
                f"{name}.hears.{event.topic}",
                {**_operation("receive", event, receiving), "x-queue": inbox_queue(name)},
            )


def _operation(action: str, event: type[Event], binding: Json) -> Json:
    channel = f"#/channels/{event.topic}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event.__name__}"}],
        "bindings": {"amqp": binding},
    }


def _message(event: type[Event], payload: Json) -> Json:
    """The envelope, with what is fixed for this topic."""
    fixed = {
        "source": {"const": f"/packhouse/{event.source()}"},
        "type": {"const": event.topic},
        "data": payload,
    }
    return {
        "name": event.topic,
        "title": event.__name__,
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [{"$ref": f"#/components/schemas/{ENVELOPE}"}, {"type": "object", "properties": fixed}]},
    }


def _schemas(events: Sequence[type[Event]]) -> tuple[Mapping[type[Event], Json], Json]:
    """A reference to the payload of each event, and all schemas by name; namesakes get their modules' names too."""
    references, made = models_json_schema(
        [(event, "validation") for event in events], ref_template="#/components/schemas/{model}"
    )
    payloads = {event: references[event, "validation"] for event in events}
    return payloads, dict(sorted(made.get("$defs", {}).items()))


def _promise(event: type[Event]) -> Json:
    """The docstring of the event's own class, where it has one."""
    return {"description": inspect.cleandoc(event.__doc__)} if event.__doc__ else {}


_TEXT: Json = {"type": "string"}
_ENVELOPE: Json = {
    "type": "object",
    "description": "CloudEvents 1.0 in structured JSON, with the event's place in its stream.",
    "required": [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "partitionkey", "sequence",
        "epoch", "baseline", "data",
    ],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "the same at every delivery of the event"},
        "source": {"type": "string", "pattern": "^/packhouse/[a-z_]+$", "description": "the service that says it"},
        "type": {"type": "string", "description": "the topic"},
        "subject": {"type": "string", "format": "uuid", "description": "the aggregate's id"},
        "time": {"type": "string", "format": "date-time", "description": "when the fact was committed"},
        "datacontenttype": {"const": "application/json"},
        "partitionkey": {"type": "string", "description": "aggregate type and id, with a slash between"},
        "sequence": {"type": "string", "pattern": "^[0-9]{10,}$", "description": "1, 2, 3 per aggregate, padded"},
        "epoch": {"type": "integer", "minimum": 1, "description": "raised after a restore from backup"},
        "baseline": {"type": "boolean", "description": "may open a stream: sent by join and rebuild only"},
        "traceparent": _TEXT,
        "requestid": _TEXT,
        "actor": _TEXT,
        "data": {"type": "object", "description": "the fact"},
    },
}  # fmt: skip
