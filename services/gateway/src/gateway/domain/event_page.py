"""What the page of events shows, worked out of the AsyncAPI document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "pattern": "matches {}",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a payload; `depth` tells how many objects it lies in."""

    name: str
    depth: int
    kind: str
    notes: str
    is_optional: bool


@dataclass(frozen=True, slots=True)
class Said:
    """One event: who says it to whom, and what it carries. `awaited` are consumers that are not built yet."""

    topic: str
    title: str
    promise: str
    routing_key: str
    aggregate: str
    key: str
    is_snapshot: bool
    consumers: tuple[str, ...]
    awaited: tuple[str, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class EventPage:
    """`services` maps each service that says something to its events, by topic."""

    about: str
    content_type: str
    exchange: str
    envelope: tuple[Field, ...]
    services: Mapping[str, tuple[Said, ...]]


def event_page(document: Json) -> EventPage:
    schemas: Json = document["components"]["schemas"]
    services: dict[str, tuple[Said, ...]] = {}
    for topic, channel in sorted(document["channels"].items()):
        producer = channel["x-producer"]
        services[producer] = (*services.get(producer, ()), _said(topic, channel, document))
    exchanges = {channel["bindings"]["amqp"]["exchange"]["name"] for channel in document["channels"].values()}
    return EventPage(
        about=document["info"]["description"],
        content_type=document["defaultContentType"],
        exchange=", ".join(sorted(exchanges)),
        envelope=tuple(_fields(schemas["CloudEvent"], schemas, 0)),
        services=services,
    )


def _said(topic: str, channel: Json, document: Json) -> Said:
    schemas = document["components"]["schemas"]
    payload = document["components"]["messages"][topic]["payload"]["allOf"][1]["properties"]["data"]
    return Said(
        topic=topic,
        title=channel["title"],
        promise=channel.get("description", ""),
        routing_key=channel["address"],
        aggregate=channel["x-aggregate"]["type"],
        key=channel["x-aggregate"]["key"],
        is_snapshot=channel["x-snapshot"],
        consumers=tuple(channel["x-consumers"]),
        awaited=tuple(channel["x-awaited"]),
        fields=tuple(_fields(_resolved(payload, schemas), schemas, 0)),
    )


def _fields(schema: Json, schemas: Json, depth: int, above: tuple[str, ...] = ()) -> Iterator[Field]:
    """The fields of an object, each followed by those of the object it holds; one that holds itself is not repeated."""
    required = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        inner = _without_null(given)
        yield Field(name, depth, kind(inner, schemas), _notes(inner, schemas), name not in required)
        held = _held(inner)
        named = (held["$ref"],) if "$ref" in held else ()
        if not set(named) & set(above):
            yield from _fields(_resolved(held, schemas), schemas, depth + 1, above + named)


def kind(schema: Json, schemas: Json) -> str:
    """A field's type in words: `uuid`, `list of Line`, `active or null`."""
    if "$ref" in schema:
        resolved = _resolved(schema, schemas)
        return kind(resolved, schemas) if "properties" not in resolved else _name(schema)
    variants = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if variants:
        return " or ".join(dict.fromkeys(kind(one, schemas) for one in variants))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), schemas)}"
    return str(schema.get("format") or schema.get("type", "anything"))


def _notes(schema: Json, schemas: Json) -> str:
    """Limits and words about a field; an object's own words stand where it is told, not at each field that holds it."""
    resolved = _resolved(schema, schemas)
    whole = {**resolved, **schema} if "properties" not in resolved else schema
    limits = [words.format(whole[name]) for name, words in _LIMITS.items() if name in whole]
    return "; ".join((*limits, *([whole["description"]] if "description" in whole else [])))


def _without_null(schema: Json) -> Json:
    """`anyOf: [X, null]` is an optional X."""
    variants = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(variants) != 1:
        return schema
    return {**variants[0], **{name: schema[name] for name in ("description",) if name in schema}}


def _held(schema: Json) -> Json:
    """The object behind a field, be it in a list."""
    while schema.get("type") == "array":
        schema = schema.get("items", {})
    return schema


def _resolved(schema: Json, schemas: Json) -> Json:
    named: Json = schemas[_name(schema)] if "$ref" in schema else schema
    return named


def _name(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
